"""preview : edition | choose | compose | render | personalise, as if its slot were now; or the issue under review.
Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from digest.editorial.compose import Slot
from digest.editorial.variants import choose
from digest.errors import InputError
from digest.flows.delivery.deliver import Writer
from digest.flows.issues import selection
from digest.flows.issues.prospect import find_reader
from digest.flows.issues.selection import Purpose
from digest.outcomes import Envelope
from digest.readers import addresses
from digest.settings import Settings
from digest.store.content import editions
from digest.store.database import Database
from digest.store.ledger import issues
from digest.values import CompiledIssue, Issue, IssueContent, Reader


@dataclass(frozen=True, slots=True)
class Preview:
    """The mail a reader would get next. ``draft``: it is this issue's, as its editors have it now. ``repeated``:
    nothing is new, so it shows what was sent already."""

    envelope: Envelope
    draft: Issue | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """The mail to be looked at: of ``edition``, addressed to ``recipient``, as the subscriber ``reader`` (an address)
    gets it, or somebody who chose everything (""); of an issue for everybody, or for a ``segment``."""

    edition: str
    recipient: str
    reader: str = ""
    segment: str = ""


def preview(
    database: Database,
    wanted: Wanted,
    compiled: Callable[[IssueContent], CompiledIssue],
    write: Writer,
    settings: Settings,
    now: datetime,
) -> Preview:
    """The mail that is wanted: of the issue under review, if there is one, else as if it were composed now. Raises when
    there is no such edition or subscription, or no story at all."""
    with database.read() as connection:
        edition_id, edition = editions.require(connection, wanted.edition)
        found = find_reader(connection, edition_id, wanted.edition, wanted.reader) if wanted.reader else None
        cadence = found.choice.cadence if found else edition.default_cadence
        draft = _draft(connection, edition_id, cadence, wanted.segment)
    sections = found.choice.sections if found else None
    covered_until = found.covered_until if found else None
    name = found.person.name if found else ""
    reader = Reader(0, found.id if found else 0, addresses.normalise(wanted.recipient), name, sections)

    def mail(content: IssueContent, cutoff: int | None) -> Envelope | None:
        untracked = replace(content.edition, track_clicks=False)  # of no issue that links could name
        variant = choose(content, sections, cutoff)
        return write(compiled(replace(content, edition=untracked)), variant, reader, now) if variant.shown else None

    if draft and (envelope := mail(draft[1], covered_until)):
        return Preview(envelope, draft=draft[0])
    for anew in (False, True):
        content = selection.choose(
            database, wanted.edition, Slot(cadence, now, wanted.segment), settings, now, Purpose(anew=anew)
        )
        if envelope := mail(content, None if anew else covered_until):
            return Preview(envelope, repeated=anew)
    hint = "collect its feeds: `digest feed collect`; or put articles in: `digest article add`"
    raise InputError(f"edition {wanted.edition} has no story to show", hint)


def _draft(connection: Connection, edition_id: int, cadence: str, segment: str) -> tuple[Issue, IssueContent] | None:
    """The issue for everybody, or the ``segment``, that comes out next, if it is composed already."""
    for issue in issues.waiting(connection, edition_id, cadence):
        if issue.segment == segment and (compiled := issues.load_compiled(connection, issue.id)):
            return issue, compiled.content
    return None
