"""The queue on a real server: what keeps the house running is not kept waiting by mail."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kombu.entity import Queue as Named

from digest.errors import UnavailableError
from digest.queue import Queue, make_celery
from digest.settings import Settings
from tests.conftest import KEY
from workers.tasks import TASKS


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
        served = list[str]()
        with make_celery(settings).connection_for_read() as connection, connection.channel() as channel:
            channel.basic_qos(0, 1, False)
            queues = [Named(name)(channel) for name in ("deliver", "publish")]  # type: ignore[no-untyped-call]

            def serve(message: Any) -> None:
                served.append(message.headers["task"])
                message.ack()

            with connection.Consumer(queues, channel=channel, on_message=serve):
                while len(served) < 5:
                    connection.drain_events(timeout=10)
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


def test_what_comes_in_has_queues_of_its_own() -> None:
    celery = make_celery(Settings(secret_keys=(KEY,)))

    def queue(task: str) -> str:
        routed: str = celery.amqp.router.route({}, f"digest.{task}")["queue"].name
        return routed

    assert {task: queue(task) for task in TASKS} == {
        "tick": "publish",
        "publish": "publish",
        "confirm": "publish",
        "deliver": "deliver",
        "collect": "collect",
        "sweep": "collect",
        "feedback": "listen",
    }
