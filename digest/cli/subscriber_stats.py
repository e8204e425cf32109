"""``digest subscriber stats``: an audience in figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from digest.cli.common import Json, get_app, plain, show_json, show_table
from digest.flows.readers import lists as audience_lists
from digest.readers.subscriptions import Month

_WIDTH = 30  # of the longest bar, in characters


def register(app: typer.Typer) -> None:
    app.command("stats", epilog="Example: digest subscriber stats -e world --months 6")(stats)


def stats(
    ctx: typer.Context,
    edition: Annotated[str, typer.Option("--edition", "-e", metavar="EDITION", help="The edition's name.")],
    months: Annotated[int, typer.Option("--months", min=1, max=240, help="How many months, including this one.")] = 12,
    json: Json = False,
) -> None:
    """Growth and churn by month, and what active readers chose.

    Churn is the share of readers active at the start of a month who unsubscribed during it. Erased readers are not
    counted.
    """
    app = get_app(ctx)
    found = audience_lists.tell(app.database, edition, months, app.now())
    if json:
        by_month = [{**plain(month), "churn_percent": month.churn} for month in found.months]
        show_json({**plain(found), "months": by_month})
        return
    show_table(("state", "readers"), list(found.states.items()), f"Readers of {edition}")
    most = max(month.active for month in found.months)
    rows = [(*_line(month), _bar(month.active, most)) for month in found.months]
    show_table(("month", "joined", "left", "churn", "active", ""), rows, "By month (UTC)")
    for title in ("cadences", "sections", "hours", "zones", "locales"):
        _show_shares(title, getattr(found, title))


def _line(month: Month) -> tuple[object, ...]:
    return month.month, month.joined, month.left, f"{month.churn:.2f} %", month.active


def _show_shares(title: str, shares: Mapping[str, int]) -> None:
    most = max(shares.values(), default=0)
    rows = [(name, number, _bar(number, most)) for name, number in shares.items()]
    show_table((title.removesuffix("s"), "readers", ""), rows, title.capitalize())


def _bar(number: int, most: int) -> str:
    return "█" * round(_WIDTH * max(0, number) / most) if most else ""
