"""The tasks: each pokes one flow with ids and returns. What is due stands in the database, so a task that is lost,
doubled or late does no harm."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from functools import wraps

from celery import Celery
from celery.schedules import crontab

from digest.app import App
from digest.errors import DigestError, UnavailableError
from digest.flows import retention
from digest.flows.delivery import deliver, recover, trials
from digest.flows.issues import publish
from digest.flows.readers import errands, signup
from digest.queue import make_celery
from digest.settings import Settings

log = logging.getLogger(__name__)
_SEEN_ROUNDS = 10  # of beat that may be missed before it is said to be gone
IN_FLIGHT = 64
"""Batches that tasks are on their way for at one time; the others wait in the database, where nothing gets lost."""

_MAILS_A_ROUND = 500
_ROUND = timedelta(seconds=30)
"""Of collecting, or of reading one mailbox: what is left then comes with the next round."""


def tick(app: App) -> None:
    """Beat's round: open due slots, free what dead workers held, send tasks for all that waits. Rounds that have piled
    up while this process was busy are one."""
    if not _ticks.again_after(app.settings.worker.tick_seconds / 2):
        return
    with suppress(UnavailableError):
        app.queue.tell_tick(_SEEN_ROUNDS * app.settings.worker.tick_seconds)
    now = app.now()
    publish.open_due_slots(app.database, now)
    publish.open_for_review(app.database, now)
    app.replay_journals()
    for issue_id, number in recover.rest(app.database, app.settings, now):
        log.warning("issue %d batch %d: its worker's lease ran out; what was being sent is in doubt", issue_id, number)
    for trial in trials.decide_due(app.database, now):
        log.info("issue %d: its trial is decided: subject %s: %s", trial.issue_id, trial.winner, trial.why)
    for issue_id in publish.waiting(app.database, now):
        app.queue.poke("publish", issue_id)
    app.queue.poke("confirm")
    _dispatch(app)


def publish_issue(app: App, issue_id: int) -> None:
    issue = publish.publish(app.database, issue_id, app.compile, app.settings, app.now())
    log.info("issue %d of %s (%s): %s %s", issue.id, issue.edition, issue.cadence, issue.state, issue.reason)
    _dispatch(app)


def deliver_batch(app: App, issue_id: int, number: int) -> None:
    app.replay_journals()
    done = deliver.deliver(app.post_office(app.carrier), issue_id, number)
    if done:
        log.info("issue %d batch %d: %d deliveries were due", issue_id, number, done)
    _dispatch(app)
    if not deliver.more_due(app.database, app.now()):
        app.carrier.close()


def send_confirmations(app: App) -> None:
    """Look at the sign-up forms that came in and send what is owed. Mostly nothing: the courier connects at the first
    envelope only."""
    settings = app.settings.sign_up
    signup.answer(app.database, settings, app.now())
    with closing(app.courier()) as courier:
        signup.send_confirmations(app.database, courier, app.write_confirmation, settings, app.now())
        errands.send(app.database, courier, app.write_errand, app.now())


def collect_feeds(app: App) -> None:
    # here: feed parsers and an HTTP client, where a worker may only ever send mail
    from digest.flows.sources import collect

    for report in collect.collect(app.database, app.settings, app.now(), budget=_ROUND):
        if report.error:
            log.warning("feed %s: %s", report.feed, report.error)
        elif report.new or report.updated:
            log.info("feed %s: %d new, %d updated", report.feed, report.new, report.updated)


def read_feedback(app: App) -> None:
    """Read what came back by mail. A mailbox out of reach is told, and holds up no other."""
    # here: where a worker may only ever send mail
    from digest.flows.feedback import returned_mail as feedback

    for box in app.boxes:
        try:
            count = feedback.listen(app.database, app.listening, box, app.now, _MAILS_A_ROUND, _ROUND)
        except DigestError as error:
            log.error("returned mail: %s", error)
            continue
        if count:
            log.info("%s", feedback.told(count))


def sweep(app: App) -> None:
    """Nightly: retention, and sign-ups that nobody confirmed."""
    log.info("retention: %s", dict(retention.sweep(app.database, app.settings.retention, app.now())))
    signup.expire_pending(app.database, app.now())
    errands.forget_old(app.database, app.now())


TASKS: dict[str, Callable[..., None]] = {
    "tick": tick,
    "publish": publish_issue,
    "deliver": deliver_batch,
    "confirm": send_confirmations,
    "collect": collect_feeds,
    "feedback": read_feedback,
    "sweep": sweep,
}


def make_workers(settings: Settings) -> Celery:
    """The Celery application with its tasks and beat's rhythm."""
    celery = make_celery(settings)
    here = PerProcess(settings)
    for name, function in TASKS.items():
        celery.task(_with_app(function, here), name=f"digest.{name}")
    celery.conf.beat_schedule = {
        "tick": _every(timedelta(seconds=settings.worker.tick_seconds), "tick"),
        "collect": _every(timedelta(minutes=1), "collect"),
        "sweep": _every(crontab(hour="3", minute="17"), "sweep"),
    }
    if settings.feedback.is_read:
        often = timedelta(seconds=settings.feedback.every_seconds)
        celery.conf.beat_schedule["feedback"] = _every(often, "feedback")
    return celery


class Rounds:
    """Of something this process does now and then."""

    def __init__(self) -> None:
        self._began = -math.inf

    def again_after(self, seconds: float) -> bool:
        """Whether the last one began that long ago; if so, another begins."""
        now = time.monotonic()
        if now - self._began < seconds:
            return False
        self._began = now
        return True


_ticks = Rounds()


class PerProcess:
    """The application of the process that asks: database connections must not cross a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pid = 0
        self._app: App

    def __call__(self) -> App:
        if self._pid != os.getpid():
            self._pid, self._app = os.getpid(), App(self._settings)
        return self._app


def _with_app(function: Callable[..., None], here: PerProcess) -> Callable[..., None]:
    @wraps(function)
    def run(*ids: int) -> None:
        try:
            function(here(), *ids)
        except DigestError as error:  # a database or template at fault is told in a line; beat asks again
            log.error("%s%s: %s", function.__name__, ids, error)

    return run


def _every(schedule: timedelta | crontab, task: str) -> dict[str, object]:
    """Pokes that no worker took for long are dropped: later ones do their work. Long, since beat's own clock says until
    when and the worker's own whether that is past, and either may be wrong."""
    return {"task": f"digest.{task}", "schedule": schedule, "options": {"expires": 3600}}


def _dispatch(app: App) -> None:
    try:
        for issue_id, number in deliver.dispatch(app.database, app.settings, IN_FLIGHT, app.now()):
            app.queue.poke("deliver", issue_id, number)
    except UnavailableError as error:  # the batches stay due; beat sends for them again within a minute
        log.warning("%s", error)
