"""``python -m workers NAME CONFIG``: one long-running process. ``digest up|worker|beat|web`` become this.

Each imports what it becomes in its own function: a worker process, of which there are many, needs no web server, and
the broker that is about to be another program needs next to nothing.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from digest.app import App
from digest.errors import DigestError
from digest.queue import INCOMING, QUEUES

_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    name, config, *words = arguments
    os.umask(0o077)  # database, mails and journals hold readers' addresses
    logging.basicConfig(
        level=os.environ.get("DIGEST_LOG", "INFO"), format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr
    )
    for chatty in ("alembic", "celery", "kombu", "httpx", "mail.log"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        app = App.from_file(Path(config))
        if name == "worker":
            _worker(app, words[0].split(",") if words else QUEUES)
        else:
            PROCESSES[name](app, Path(config))
    except DigestError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:  # before there is anything to end
        return _INTERRUPTED
    return 0


def _up(app: App, config: Path) -> None:
    """Everything: the embedded parts where nothing else is configured, then web, worker and beat."""
    # here: the broker needs next to nothing of this
    from digest.queue import broker_socket
    from workers.lock import only_group
    from workers.supervise import GRACE_SECONDS, Child, Group, command

    settings = app.settings
    app.database.check()  # its faults are said once, here

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
    incoming = ",".join(sorted(INCOMING))
    outgoing = ",".join(queue for queue in QUEUES if queue not in INCOMING)
    children = [
        Child("web", command("web", config)),
        Child("worker", [*command("worker", config), outgoing]),
        Child("reader", [*command("worker", config), incoming]),
        Child("beat", command("beat", config)),
    ]
    if settings.embedded_mailbox:
        children.insert(0, Child("mailbox", command("mailbox", config), leaned_on=True))
    if settings.embedded_broker:
        socket = broker_socket(settings)
        children.insert(0, Child("broker", command("broker", config), leaned_on=True, socket=socket))
    with only_group(settings.state_dir, 2 * GRACE_SECONDS + 5) as ending:
        logging.info("digest is up: pages at %s, %s; stop with Ctrl-C", settings.base_url, _where_mail_goes(app))
        Group(children, ready, ending).run()


def _where_mail_goes(app: App) -> str:
    settings = app.settings
    if settings.embedded_mailbox:
        return f"mail is kept in {app.mailbox_dir}"
    return f"mail goes to {', '.join(route.host for route in settings.routes)}"


def _worker(app: App, queues: Sequence[str]) -> None:
    """Take tasks from these queues. One that only reads what comes in is one process: it waits for others' servers."""
    # here: only workers need Celery and what they do
    from workers.logs import tell_in_a_line
    from workers.tasks import make_workers

    _check(app)
    tell_in_a_line()
    reads_only = INCOMING.issuperset(queues)
    _say_if_root(aloud=not reads_only)  # of the two in a group, one says it
    app.dkim_keys  # noqa: B018 - a key that can't be read is told now, not with the first mail
    # Not by Celery's command line, which brings 8 MB into each process.
    worker = make_workers(app.settings).Worker(
        pool_cls="prefork",
        concurrency=1 if reads_only else app.settings.worker.concurrency,
        queues=list(queues),
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
    )
    gc.collect()
    gc.freeze()  # the collector would write to every object and so give each child its own copy: 20 MB (measured)
    worker.start()
    sys.exit(worker.exitcode)


def _say_if_root(*, aloud: bool) -> None:
    """In a line, and not at all where C_FORCE_ROOT says that it is meant. Celery's own warning comes with a stack and
    an option that we don't have; what it warns of, pickled tasks, no worker of ours accepts."""
    # here: Celery is there in a worker only
    from celery.exceptions import SecurityWarning

    warnings.filterwarnings("ignore", r"\s*You're running the worker with superuser", SecurityWarning)
    if aloud and os.geteuid() == 0 and not os.environ.get("C_FORCE_ROOT"):
        logging.warning("the worker runs as root, which it does not need; set C_FORCE_ROOT=1 to silence this")


def _beat(app: App, _config: Path) -> None:
    # here: only beat needs it
    from workers.beat import run_beat
    from workers.logs import tell_in_a_line

    _check(app)
    tell_in_a_line()
    run_beat(app.settings)


def _check(app: App) -> None:
    """Say what is missing now, in a line; and keep no connections, which must not cross a fork."""
    app.database.check()
    app.queue.check()
    app.database.dispose()
    app.queue.close()


def _web(app: App, _config: Path) -> None:
    # here: only this process is a web server
    import uvicorn

    from digest.web import create_app

    web = app.settings.web
    app.database.check()
    uvicorn.run(
        create_app(app),
        host=web.host,
        port=web.port,
        log_level="warning",
        access_log=False,  # paths carry tokens
        forwarded_allow_ips=web.forwarded_allow_ips,
        server_header=False,
    )


def _broker(app: App, _config: Path) -> None:
    # here: only this process becomes the broker
    from workers.broker import run_broker

    run_broker(app.settings)


def _mailbox(app: App, _config: Path) -> None:
    # here: only this process is a mail server
    from workers.mailbox import run_mailbox

    run_mailbox(app.settings.mailbox_port, app.mailbox_dir)


PROCESSES: dict[str, Callable[[App, Path], None]] = {
    "up": _up,
    "beat": _beat,
    "web": _web,
    "broker": _broker,
    "mailbox": _mailbox,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
