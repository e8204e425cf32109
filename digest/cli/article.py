"""``digest article``: put articles in by hand, from pages or files, and look at what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from digest import tables
from digest.app import App
from digest.cli.common import Json, get_app, local_time, plain, progress, say, show_json, show_table, warn
from digest.cli.files import Encoding, Map, mapped
from digest.errors import InputError, NotFoundError
from digest.flows.sources import articles
from digest.flows.sources.articles import DESK, Change
from digest.net.fetch import fetch
from digest.sandbox import read_page
from digest.sources import manuscripts
from digest.sources.clean import web_url
from digest.tables import Row
from digest.values import Article, ArticleDraft, ImportReport, Kind, Rejected

app = typer.Typer()
Desk = Annotated[
    str, typer.Option("--feed", metavar="NAME", help="The desk to put it in; created if it does not exist.")
]
_SAID = {
    Change.ADDED: "added article {id} to {feed}, in story {story}",
    Change.UPDATED: "updated article {id} of {feed}, in story {story}",
    Change.UNCHANGED: "article {id} of {feed}, in story {story}, is unchanged",
}
_AGO = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@app.command(
    "add",
    epilog="Examples: digest article add https://news.example.org/ferry --sector transport --tag ferries\n\n"
    "digest article add saved.html --url https://news.example.org/ferry",
)
def add(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="URL|FILE", help="A news page, or a file of one.")],
    feed: Desk = DESK,
    url: Annotated[str, typer.Option(help="The web address of the page in the file.")] = "",
    kind: Annotated[Kind | None, typer.Option(help="The kind of article.")] = None,
    sector: Annotated[str, typer.Option(help="Its sector, instead of the page's.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag in addition to the page's; repeatable.")] = None,
    country: Annotated[list[str] | None, typer.Option(help="A country it is about, instead of the page's.")] = None,
    json: Json = False,
) -> None:
    """Read an article from a news page and store it, or update the stored one."""
    door = get_app(ctx)
    page = _page(door, source, url)
    draft = replace(
        page,
        kind=kind or page.kind,
        sector=sector.strip().lower() or page.sector,
        tags=tuple(dict.fromkeys([*page.tags, *(each.strip().lower() for each in tag or ())])),
        countries=tuple(country or page.countries),
    )
    added = articles.add(door.database, feed, draft, door.now())
    if json:
        show_json({"change": added.change, "also": added.also} | _as_json(added.article))
        return
    show_table(("field", "value"), _fields(replace(added.article, draft=draft)))
    say(_SAID[added.change].format(id=added.article.id, feed=feed, story=added.article.story_id))
    if added.also:
        say(f"the story is also covered by {', '.join(added.also)}")
    _warn_of_unread(door, feed)
    if not added.article.draft.url:
        warn("it has no address, so readers can't follow it: add it again with --url")


@app.command(
    "import", epilog="Examples: digest article import articles.jsonl\n\ndigest article import articles.csv --feed wires"
)
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines (.jsonl) or CSV (.csv).")],
    feed: Desk = DESK,
    map_: Map = None,
    encoding: Encoding = "",
    json: Json = False,
) -> None:
    """Store the articles of a file, one to a line.

    Fields: title, url, guid, standfirst, byline, place, agency, countries, sector, tags, kind, language, image,
    image_alt, image_credit, published, updated. Dates are ISO 8601 with a time zone; in CSV, lists are separated by
    semicolons. Other fields are ignored, unless --map gives their meaning. Rejected lines are listed and kept in a
    file beside FILE.
    """
    door, names, others = get_app(ctx), mapped(map_ or ()), dict[str, None]()
    manuscripts.check_targets(names)
    encoding = encoding or tables.encoding_of([_bytes(file)])
    with progress(None, "Articles") as advance:
        drafts = manuscripts.drafts(_noting(_rows(file, encoding, names), others))
        report = articles.import_drafts(door.database, feed, drafts, door.now(), advance)
    kept = _keep_rejected(file, report.rejected, encoding)
    if others:
        warn(f"fields ignored: {', '.join(others)}; use --map THEIRS=OURS for those you need")
    if json:
        show_json(plain(report) | {"rejected_file": str(kept) if kept else None})
    else:
        _tell(report, kept)
        _warn_of_unread(door, feed)
    if report.rejected and len(report.rejected) == report.read:
        raise InputError(f"no line of {file} could be imported", f"the first: {report.rejected[0].reason}")


@app.command("list", epilog="Example: digest article list --feed desk --since 2d --limit 20")
def list_(
    ctx: typer.Context,
    feed: Annotated[str, typer.Option(metavar="NAME", help="Only this feed's or desk's.")] = "",
    since: Annotated[str, typer.Option(help="Only those first seen since: 12h, 3d, 2w or 2026-11-23.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """The newest articles, their stories, and every source of each story."""
    door = get_app(ctx)
    found = articles.newest(door.database, feed, _since(since, door.now()), limit)
    if json:
        show_json([_as_json(each.article) | {"sources": each.sources} for each in found])
        return
    rows = [
        (a.id, a.story_id, _sources(each.sources), a.first_seen, a.draft.title)
        for each in found
        for a in [each.article]
    ]
    show_table(("id", "story", "sources", "first seen", "title"), rows, "Articles")


@app.command("show", epilog="Example: digest article show 12")
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="As `digest article list` shows.")],
    json: Json = False,
) -> None:
    """Everything stored about an article."""
    article = articles.show(get_app(ctx).database, number)
    if json:
        show_json(_as_json(article))
    else:
        show_table(("field", "value"), _fields(article))


@app.command("story", epilog="Example: digest article story 7")
def story(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="The story's number, as `digest article list` shows.")],
    json: Json = False,
) -> None:
    """The articles of one story, in the order they arrived."""
    found = articles.story(get_app(ctx).database, number)
    if json:
        show_json([_as_json(article) for article in found])
    else:
        rows = [(a.id, a.feed, a.first_seen, a.draft.title, a.draft.url or "-") for a in found]
        show_table(("id", "source", "first seen", "title", "address"), rows, f"Story {number}")


# ----------------------------------------------------------------------------------------------- reading


def _page(door: App, source: str, url: str) -> ArticleDraft:
    if re.match(r"https?://", source, re.IGNORECASE):
        fetched = fetch(source, door.settings.fetch)
        charset = re.search(r"charset\s*=\s*[\"']?([\w-]+)", fetched.content_type, re.IGNORECASE)
        return read_page(fetched.body, web_url(url) or fetched.url, charset[1] if charset else "")
    if url and not web_url(url):
        raise InputError(f"--url {url} is not a valid http(s) address")
    draft = read_page(_bytes(Path(source)), web_url(url))
    return replace(draft, url=web_url(url)) if url else draft


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"no file {path}", "an address begins with http:// or https://") from None
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})") from None


def _rows(path: Path, encoding: str, names: Mapping[str, str]) -> Iterator[Row | Rejected]:
    """The records of a file by the kind its name says, their fields called as ours are."""
    kind = path.suffix.lower()
    if kind not in {".csv", ".jsonl", ".ndjson"}:
        raise InputError(f"{path} is neither .jsonl nor .csv", "rename it: the extension gives the format")
    lines = tables.decoded([_bytes(path)], encoding)
    ours = {theirs: "" if name == manuscripts.IGNORED else name for theirs, name in names.items()}
    if kind == ".csv":
        return tables.read_csv(lines, manuscripts.REQUIRED, ours)
    return manuscripts.renamed(tables.read_json_lines(lines), {theirs.lower(): name for theirs, name in ours.items()})


def _noting(rows: Iterator[Row | Rejected], others: dict[str, None]) -> Iterator[Row | Rejected]:
    """The rows as they are; ``others`` collects the fields that are passed over."""
    for row in rows:
        if isinstance(row, Row):
            others.update(dict.fromkeys(manuscripts.unknown(row)))
        yield row


def _since(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    ago = re.fullmatch(r"(\d{1,4})([hdw])", text.strip().lower())
    if ago:
        return now - int(ago[1]) * _AGO[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"--since {text} is not a valid time", "write 12h, 3d, 2w or 2026-11-23") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# ----------------------------------------------------------------------------------------------- showing


def _tell(report: ImportReport, kept: Path | None) -> None:
    for rejected in report.rejected:
        warn(f"{rejected.where}: {rejected.reason}")
    say(
        f"{report.read} read: {report.added} added, {report.changed} updated, {report.unchanged} unchanged,"
        f" {len(report.rejected)} rejected" + (f" (kept in {kept})" if kept else "")
    )


def _warn_of_unread(door: App, feed: str) -> None:
    if not articles.editions_reading(door.database, feed):
        warn(
            f"no edition reads {feed}, so no reader gets this: "
            "name it in an edition's `feeds` and apply that, or give --feed"
        )


def _keep_rejected(path: Path, rejected: tuple[Rejected, ...], encoding: str) -> Path | None:
    """The rejected lines as they were, beside the file, to be mended and imported."""
    if not rejected:
        return None
    kept = path.with_name(f"{path.stem}.rejected{path.suffix}")
    is_csv = path.suffix.lower() == ".csv"
    header = [tables.open_csv(tables.decoded([_bytes(path)], encoding)).header] if is_csv else []
    lines = [*header, *(each.raw for each in rejected)]
    try:
        kept.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{kept} can't be written ({error.strerror})") from None
    return kept


def _as_json(article: Article) -> dict[str, Any]:
    """An article with its draft's fields beside its own."""
    fields: dict[str, Any] = plain(article)
    return {**{name: value for name, value in fields.items() if name != "draft"}, **fields["draft"]}


def _fields(article: Article) -> list[tuple[str, str]]:
    """What there is to show of an article; what is empty is left out."""
    draft, image = article.draft, article.draft.image
    picture = (f"{image.width} × {image.height}" if image.width and image.height else "") if image else ""
    rows = {
        "headline": draft.title,
        "standfirst": draft.standfirst,
        "byline": draft.byline,
        "place": draft.place,
        "published": _written(draft.published),
        "updated": _written(draft.updated),
        "countries": ", ".join(draft.countries),
        "image": " ".join(filter(None, (image.url, picture))) if image else "",
        "image text": image.alt if image else "",
        "image credit": image.credit if image else "",
        "agency": draft.agency,
        "kind": str(draft.kind),
        "sector": draft.sector,
        "tags": ", ".join(draft.tags),
        "language": draft.language,
        "address": draft.url,
        "source": article.feed,
        "story": str(article.story_id),
        "first seen": local_time(article.first_seen),
    }
    return [(name, value) for name, value in rows.items() if value]


def _written(moment: datetime | None) -> str:
    """A time in the zone it was given in."""
    return f"{moment:%Y-%m-%d %H:%M} {moment.isoformat()[-6:]}" if moment else ""


def _sources(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {', '.join(names)}" if len(names) > 1 else ", ".join(names)
