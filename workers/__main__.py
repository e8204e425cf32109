"""``python -m workers NAME CONFIG``: one long-running process. ``digest up|worker|beat|web`` become this."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from celery.apps.beat import Beat

from digest.app import App
from digest.errors import DigestError
from digest.web import create_app
from workers import embedded
from workers.supervise import Child, Group, command
from workers.tasks import make_workers


def main(arguments: list[str]) -> int:
    name, config, *rest = arguments
    logging.basicConfig(
        level=os.environ.get("DIGEST_LOG", "INFO"), format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr
    )
    for chatty in ("alembic", "celery", "kombu", "httpx", "mail.log"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        PROCESSES[name](App.from_file(Path(config)), Path(config), rest)
    except DigestError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _up(app: App, config: Path, _rest: list[str]) -> None:
    """Everything: the embedded parts where nothing else is configured, then web, worker and beat."""
    settings = app.settings
    app.database.check()  # its faults are said once, here
    names = ["broker"] * settings.embedded_broker + ["mailbox"] * settings.embedded_mailbox + ["web", "worker", "beat"]

    def ready(child: Child) -> bool:
        if child.name != "broker":
            return True
        try:
            app.queue.check()
        except DigestError:
            return False
        return True

    if not settings.embedded_broker:
        app.queue.check()
    where = f"mail is kept in {app.mailbox_dir}" if settings.embedded_mailbox else f"mail goes to {settings.smtp.host}"
    logging.info("digest is up: pages at %s, %s; Ctrl-C ends it", settings.base_url, where)
    Group([Child(name, command(name, config)) for name in names], ready).run()


def _worker(app: App, _config: Path, rest: list[str]) -> None:
    app.database.check()
    app.dkim_keys  # noqa: B018 - a key that can't be read is told now, not with the first mail
    app.queue.check()
    celery = make_workers(app.settings)
    celery.worker_main(["--quiet", "worker", "--loglevel=INFO", "--without-gossip", "--without-mingle", *rest])


class _Beat(Beat):  # type: ignore[misc]
    """Beat that a signal ends at once. Celery's own handler raises in the middle of whatever runs; in a call to Redis
    that gets lost, and beat lives on. It keeps nothing, so there is nothing to save."""

    def install_sync_handler(self, service: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(0))


def _beat(app: App, _config: Path, _rest: list[str]) -> None:
    app.database.check()
    app.queue.check()
    _Beat(
        app=make_workers(app.settings),
        scheduler_cls="celery.beat:Scheduler",  # keeps nothing on disk: a doubled or restarted beat is harmless
        max_interval=app.settings.worker.tick_seconds,
        loglevel="WARNING",
        quiet=True,
    ).run()


def _web(app: App, _config: Path, _rest: list[str]) -> None:
    web = app.settings.web
    app.database.check()
    uvicorn.run(
        create_app(app),
        host=web.host,
        port=web.port,
        log_level="warning",
        forwarded_allow_ips=web.forwarded_allow_ips,
        server_header=False,
    )


def _broker(app: App, _config: Path, _rest: list[str]) -> None:
    embedded.run_broker(app.settings)


def _mailbox(app: App, _config: Path, _rest: list[str]) -> None:
    embedded.run_mailbox(app.settings, app.mailbox_dir)


PROCESSES: dict[str, Callable[[App, Path, list[str]], None]] = {
    "up": _up,
    "worker": _worker,
    "beat": _beat,
    "web": _web,
    "broker": _broker,
    "mailbox": _mailbox,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
