"""``digest report``: the account of an issue, from the ledger."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Annotated

import typer

from digest.cli import issue as issues
from digest.cli.common import Json, Number, get_app, local, local_time, plain, say, show_json, show_table, stream_json
from digest.cli.trial import show_trial
from digest.delivery.account import Entry
from digest.flows.delivery import trials
from digest.flows.feedback import clicks
from digest.flows.issues import operate
from digest.flows.issues.operate import Account
from digest.states import DeliveryState
from digest.tables import guarded

_IN_DOUBT_SHOWN = 50
_READERS_SHOWN = 200
_COLUMNS = ("address", "state", "at", "due_at", "attempts", "code", "reason", "came_back")


def register(app: typer.Typer) -> None:
    app.command(
        "report",
        epilog="Examples: digest report 12\n\ndigest report 12 --readers --state failed\n\n"
        "digest report 12 --readers --csv > readers.csv",
    )(report)


def report(
    ctx: typer.Context,
    number: Number,
    readers: Annotated[bool, typer.Option("--readers", help="Every reader's address and delivery.")] = False,
    state: Annotated[DeliveryState | None, typer.Option("--state", help="Only deliveries in this state.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all these readers as CSV.")] = False,
    json: Json = False,
) -> None:
    """The exact account of an issue, from the ledger: deliveries accepted, not accepted and why, and in doubt."""
    app = get_app(ctx)
    if readers or state or as_csv:
        found = operate.readers(app.database, number, state)
        if json:
            stream_json(found)
        elif as_csv:
            _write_csv(found)
        else:
            (progress,) = operate.progress(app.database, [number])
            total = progress.counts.get(state, 0) if state else progress.total
            _show_readers(found, total, progress.time_zone)
        return
    account = operate.account(app.database, number, app.now())
    following = clicks.following(app.database, app.load, number)
    tried = trials.standing(app.database, number)
    if json:
        reasons = [{"state": state, "reason": reason, "count": count} for state, reason, count in account.reasons]
        doubt = [{"address": address, "reason": reason} for address, reason in account.in_doubt]
        read = {"clicks": plain(following), "trial": plain(tried)}
        told = {"feedback": plain(account.feedback), "pace": plain(account.pace)}
        show_json(issues.as_json(account.progress) | {"reasons": reasons, "in_doubt": doubt} | told | read)
        return
    show_table(issues.COLUMNS, [issues.line(account.progress, app.now())], f"Issue {number}")
    _show_counts(account)
    issues.show_following(following)
    if tried:
        show_trial(tried)
    _show_reasons(account)


# ------------------------------------------------------------------------------------------------ account


def _show_counts(account: Account) -> None:
    progress = account.progress
    show_table(("deliveries", "count"), [(state, count) for state, count in sorted(progress.counts.items())])
    if account.pace:
        seconds, since = account.pace.seconds, local_time(account.pace.since, progress.time_zone)
        rate = f", {account.pace.accepted / seconds:,.0f} a second" if seconds >= 1 else ""
        say(f"begun {since}: {account.pace.accepted:,} accepted in {seconds:.1f} s{rate}")
    back = {"bounce": "bounced", "complaint": "reported as spam", "unsubscribe": "unsubscribed from this issue"}
    for kind, count in account.feedback.items():
        say(f"{back[kind]}: {count:,}")


def _show_reasons(account: Account) -> None:
    if account.reasons:
        show_table(("state", "reason", "count"), account.reasons, "Why mail was not accepted, or came back")
    if account.in_doubt:
        rows = account.in_doubt[:_IN_DOUBT_SHOWN]
        show_table(
            ("in doubt", "reason"), rows, f"In doubt: {len(account.in_doubt)}; see `digest issue resolve --help`"
        )


# ------------------------------------------------------------------------------------------------ readers


def _show_readers(found: Iterable[Entry], total: int, time_zone: str) -> None:
    rows = [
        (
            one.address or "(erased)",
            one.state,
            local(one.at, time_zone),
            local(one.due_at, time_zone),
            one.attempts,
            one.reason,
            ", ".join(one.came_back),
        )
        for one in islice(found, _READERS_SHOWN)
    ]
    show_table(("reader", "state", "since", "next try", "tries", "reason", "came back"), rows, "Readers")
    if total > len(rows):
        say(f"and {total - len(rows):,} more: --csv has all")


def _write_csv(found: Iterable[Entry]) -> None:
    """Line by line as they are read: readers may be a million. Times are UTC."""
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    for one in found:
        values = (one.address, one.state, one.at, one.due_at, one.attempts, one.code, one.reason, one.came_back)
        writer.writerow([guarded(_cell(value)) for value in values])


def _cell(value: object) -> str:
    told = plain(value)
    return "" if told is None else " ".join(told) if isinstance(told, list) else str(told)
