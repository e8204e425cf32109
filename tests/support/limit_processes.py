"""What the processes do that share a gate in tests: in a module of their own, so that they start quickly."""

from __future__ import annotations

import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event

from redis import Redis

from digest.delivery import limits
from digest.gate import SharedGate, open_gate
from digest.settings import LimitSettings


def clock(url: str) -> float:
    """Redis's time in seconds."""
    with Redis.from_url(url.replace("redis+socket", "unix")) as client:
        seconds, micro = client.time()
        return float(seconds + micro / 1e6)


def hammer(
    url: str, settings: LimitSettings, seconds: float, barrier: Barrier, results: Queue[tuple[float, ...]]
) -> None:
    """Ask as fast as the gate lets us, and tell how much was admitted between when and when."""
    gate = open_gate(settings, url)
    barrier.wait(60)
    begun, admitted = clock(url), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        wait = gate.admit("default", "example.org")
        if wait:
            time.sleep(min(wait, 0.05))
        else:
            admitted += 1
    results.put((begun, clock(url), admitted))
    gate.close()


def hold_a_connection(url: str, settings: LimitSettings, slot_seconds: float, held: Event) -> None:
    """Take a slot and keep it until killed."""
    gate = SharedGate(settings, url, limits.ramp(settings), slot_seconds)
    assert gate.connect("default")
    held.set()
    while True:
        gate.renew()
        time.sleep(0.02)
