"""The queue on a real server: what keeps the house running is not kept waiting by mail."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from kombu.entity import Queue as Named

from digest.errors import UnavailableError
from digest.queue import Queue, make_celery
from digest.settings import Settings
from tests.conftest import KEY


def test_a_tick_goes_before_the_batches_that_wait(tmp_path: Path) -> None:
    config = tmp_path / "digest.toml"
    config.write_text(f'secret_keys = ["{KEY}"]\nstate_dir = "{tmp_path}"\n', encoding="utf-8")
    settings = Settings(secret_keys=(KEY,), state_dir=tmp_path)
    broker = subprocess.Popen([sys.executable, "-m", "workers", "broker", str(config)])
    try:
        queue = Queue(settings)
        _await(queue)
        for task in ("deliver", "deliver", "tick", "deliver", "publish"):
            queue.poke(task)
        with make_celery(settings).connection_for_read() as connection, connection.channel() as channel:
            digest = Named("digest")(channel)  # type: ignore[no-untyped-call]
            served = [digest.get(no_ack=True).headers["task"] for _ in range(5)]  # type: ignore[no-untyped-call]
        assert served == ["digest.tick", "digest.publish", "digest.deliver", "digest.deliver", "digest.deliver"]
        queue.close()
    finally:
        broker.terminate()
        broker.wait(10)


def _await(queue: Queue) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            return queue.check()
        except UnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
