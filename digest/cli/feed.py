"""``digest feed``: the sources that are polled."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from digest.cli.common import Json, get_app, progress, say, show_json, show_table, warn
from digest.flows.sources import feeds as flow
from digest.flows.sources.collect import CollectReport
from digest.flows.sources.collect import collect as collect_feeds
from digest.language.text import on_terminal
from digest.sources.feeds import Feed
from digest.values import FeedSpec, Kind

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="The feed's name, as `digest feed list` shows.")]


@app.command(
    "add",
    epilog="Example: digest feed add bbc-world https://feeds.bbci.co.uk/news/world/rss.xml --sector world",
)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A short name, unique, without spaces.")],
    url: Annotated[str, typer.Argument(help="URL of its RSS, Atom or JSON feed.")],
    title: Annotated[str, typer.Option(help="The source's name, as readers see it.")] = "",
    sector: Annotated[str, typer.Option(help="For articles that do not name one.")] = "",
    kind: Annotated[Kind, typer.Option(help="For articles that don't say.")] = Kind.NEWS,
    tag: Annotated[list[str] | None, typer.Option(help="For articles without one; repeatable.")] = None,
    json: Json = False,
) -> None:
    """Poll a feed from now on. If the name exists, that feed is updated."""
    spec = FeedSpec(name, url, title, sector, kind, tuple(tag or ()))
    feed, new = flow.declare(get_app(ctx).database, spec)
    _tell(feed, "is added; read it now with `digest feed collect`" if new else "is changed", json)


@app.command("list", epilog="Example: digest feed list --json")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """All feeds, when they were last read, and their errors."""
    feeds = flow.listing(get_app(ctx).database)
    if json:
        show_json(feeds)
        return
    show_table(("name", "address", "last read", "next", "state"), [_line(feed) for feed in feeds], "Feeds")
    for feed in feeds:
        if feed.last_error:
            _alarm(f"{feed.name}: {feed.last_error}")


@app.command("collect", epilog="Examples: digest feed collect\n\ndigest feed collect bbc-world --json")
def collect(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Read only these, due or not.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Read all active feeds, due or not.")] = False,
    json: Json = False,
) -> None:
    """Read the feeds that are due and store their articles. The exit code is 1 if a feed can't be read."""
    door = get_app(ctx)
    with progress(None, "Collecting") as advance:
        reports = collect_feeds(door.database, door.settings, door.now(), names, everything, lambda _: advance(1))
    if json:
        show_json(reports)
    elif reports:
        _show(reports)
    else:
        say("no feed is due; `digest feed list` shows when each is. To read them now, use --all or name one")
    if any(report.error for report in reports):
        raise typer.Exit(1)


@app.command("pause", epilog="Example: digest feed pause bbc-world")
def pause(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Stop polling a feed; its articles stay."""
    _tell(flow.pause(get_app(ctx).database, name), "is paused", json)


@app.command("resume", epilog="Example: digest feed resume bbc-world")
def resume(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Poll a paused feed again, and reset its failures."""
    _tell(flow.resume(get_app(ctx).database, name), "is polled again", json)


@app.command("remove", epilog="Example: digest feed remove bbc-world --with-articles")
def remove(
    ctx: typer.Context,
    name: Name,
    with_articles: Annotated[bool, typer.Option("--with-articles", help="Also delete all its articles.")] = False,
    json: Json = False,
) -> None:
    """Remove a feed that no edition reads."""
    _tell(flow.remove(get_app(ctx).database, name, with_articles), "is removed", json)


def _tell(feed: Feed, what: str, json: bool) -> None:
    if json:
        show_json(feed)
    else:
        say(f"feed {feed.name} {what}")


def _line(feed: Feed) -> tuple[object, ...]:
    if feed.is_desk:
        return feed.name, "(desk: `digest article`)", None, None, "ok"
    state = "paused" if not feed.active else f"failed {feed.failures}x" if feed.failures else "ok"
    read = feed.last_ok_at or "never"
    due = (feed.next_poll_at or "now") if feed.active else None
    return feed.name, feed.spec.url, read, due, state


def _show(reports: list[CollectReport]) -> None:
    columns = ("feed", "entries", "new", "updated", "known", "rejected", "result")
    lines = [(r.feed, r.entries, r.new, r.updated, r.known, len(r.rejected), _result(r)) for r in reports]
    show_table(columns, lines, "Feeds due")
    for report in reports:
        for rejected in report.rejected:
            warn(f"{report.feed}, {rejected.where}: {rejected.reason}: {rejected.raw}")
        if report.error:
            _alarm(f"{report.feed}: {report.error}")


def _result(report: CollectReport) -> str:
    return "failed" if report.error else "not modified" if report.not_modified else "ok"


def _alarm(message: str) -> None:
    Console(stderr=True, highlight=False).print(Text(on_terminal(message), style="red"), soft_wrap=True)
