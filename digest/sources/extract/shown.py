"""What a news page shows its readers: headline, standfirst, byline line, dateline, countries, picture, agency line.

Only what follows the headline inside the article counts; menus, asides, forms and footers are not looked at, and of
what comes after (lists of other headlines) each field takes the first that fits only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement

from digest.sources.extract.blocks import PARAGRAPH, Block, after_headline, headline, readable, scope
from digest.sources.extract.metadata import pixels
from digest.sources.extract.moments import moment
from digest.sources.extract.said import Said, text_of
from digest.values import Image

_LINE = 240  # a byline or caption is not longer
_UPDATED = r"(?:last )?(?:updated|modified)|actualizad[oa]|aktualisiert|atualizad[oa]|stand|mis à jour"
_CREATED = (
    r"created|(?:first )?published|posted|publicad[oa]|creado|veröffentlicht|erstellt|publié|(?<=\| )date|fecha|datum"
)
_LABEL = re.compile(
    rf"(?:(?P<updated>\b(?:{_UPDATED}))|(?P<created>\b(?:{_CREATED})))\b(?: on| at| el| am)?\s*:?", re.I
)
_BAR = re.compile(r"\s+[|•·]\s+")
_STANDFIRST_CLASS = re.compile(
    r"stand-?first|sub-?(?:title|head|headline)\b|\bdeck?\b|\blede?\b|\blead\b|summary|\bintro\b|teaser|entradilla|bajada"
    r"|vorspann|anleser|synopsis",
    re.I,
)
_AUTHOR_CLASS = re.compile(r"\b(?:by-?line|authors?|author-name|autor|autores|firma|verfasser)\b", re.I)
_BY = re.compile(r"^(?:by|por|von|par|di)\s*:?\s+(?=[^\W\d_])", re.I)
_CREDIT = re.compile(
    r"(?:image|photo|picture)\s+(?:credits?|courtesy)\b\s*:?\s*"
    r"|\b(?:photo(?:graph)?|foto|bild|imagen|fotografía|crédito|credit|quelle)\s*:\s*|©\s*|\(c\)\s*",
    re.I,
)
_AGENCIES = r"AP|AFP|Reuters|PTI|ANI|IANS|EFE|dpa|ANSA|Xinhua|Lusa|APA|Europa Press|Bloomberg|UPI|TASS|Yonhap|KNA|epd"
_DATELINE = re.compile(
    rf"^(?P<place>[^\W\d_][\w.'’ -]{{1,40}}?)(?:[,/] ?[^()–—]{{2,30}})?"
    rf"\s*\((?P<agency>(?:{_AGENCIES})(?:/[\w ]+)?)\)\s*[-–—:.]"
    r"|^(?P<capitals>[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ.'’ -]{2,40})(?:,[^–—]{2,30})?\s+[-–—]\s"
)
_AGENCY_LINE = re.compile(
    r"with (?:\w+ )?inputs? from .+|with agenc\w+ inputs?.*|con (?:información|datos|aportes) de .+"
    r"|mit (?:material|informationen) (?:von|der|des) .+|com (?:informações|agências).*|avec .*agences?.*"
    r"|this (?:story|report|article) (?:was|has|is) .*(?:agency|agencies|syndicated|wire|feed)\b.*",
    re.I,
)
_COUNTRY = re.compile(r"^(?:countr(?:y|ies)|pa[ií]s(?:es)?|land|länder|pays)\s*:\s*(?P<names>.*)$", re.I)


def from_text(page: HtmlElement) -> Said:
    """The account of what can be read on the page."""
    heading = headline(page)
    blocks = list(after_headline(page, heading))
    line = _byline_line(blocks)
    title = text_of(heading) if heading is not None else ""
    dateline = next(filter(None, (_DATELINE.match(b.text) for b in blocks if len(b.text) >= PARAGRAPH)), None)
    created, updated = _times(page, blocks, line)
    return Said(
        title=title,
        standfirst=_standfirst(blocks, line, title),
        byline=line.byline or _marked_byline(blocks),
        place=line.place or _dateline_place(dateline),
        agency=_agency(blocks) or (dateline["agency"] or "" if dateline else ""),
        countries=_countries(blocks),
        image=_image(page, heading, blocks),
        published=created,
        updated=updated,
    )


# ------------------------------------------------------------------------------- byline, place and times


@dataclass(frozen=True, slots=True)
class _Line:
    """A line such as ``News Desk | Seoul | Updated: … | Created: …``, taken apart."""

    position: int = -1
    byline: str = ""
    place: str = ""
    times: str = ""


def _byline_line(blocks: list[Block]) -> _Line:
    for position, block in enumerate(blocks):
        pieces = _BAR.split(block.text)
        if len(block.text) > _LINE or len(pieces) < 2 or not any(moment(piece) for piece in pieces):
            continue
        names = [piece for piece in pieces if not re.search(r"\d", piece)]
        byline, place = (*names, "", "")[:2]
        return _Line(position, _BY.sub("", byline), place if len(place) <= 60 else "", block.text)
    return _Line()


def _marked_byline(blocks: list[Block]) -> str:
    for block in blocks:
        for element in (block.element, *block.element.iterdescendants()):
            text = text_of(element)
            if _names_author(element) and 0 < len(text) <= 120:
                return _BY.sub("", text)
        if _BY.match(block.text) and len(block.text) <= 80 and not block.text.endswith((".", ":", "?")):
            return _BY.sub("", block.text)
    return ""


def _names_author(element: HtmlElement) -> bool:
    marks = f"{element.get('class') or ''} {element.get('itemprop') or ''} {element.get('rel') or ''}"
    return isinstance(element.tag, str) and _AUTHOR_CLASS.search(marks) is not None


def _times(page: HtmlElement, blocks: list[Block], line: _Line) -> tuple[str, str]:
    """When it was published and updated, as written: from the byline line, ``<time>``, or a line with a label."""
    short = (block.text for block in blocks if len(block.text) <= _LINE)
    labelled = [_labelled(text) for text in ((line.times,) if line.times else short)]
    created = next((c for c, _ in labelled if moment(c)), "")
    updated = next((u for _, u in labelled if moment(u)), "")
    if not created and not updated and line.times:
        return line.times, ""
    machine = [element for element in readable(page) if element.tag == "time" and moment(element.get("datetime") or "")]
    for element in machine:
        stamp = element.get("datetime") or ""
        if re.search(_UPDATED, f"{element.get('itemprop')} {element.get('class')} {_before(element)}", re.I):
            updated = updated or stamp
        else:
            created = created or stamp
    return created, updated


def _before(element: HtmlElement) -> str:
    previous = element.getprevious()
    parent = element.getparent()
    said = (previous.tail if previous is not None else parent.text if parent is not None else "") or ""
    return said[-30:]


def _labelled(text: str) -> tuple[str, str]:
    """What follows a label for "created" and one for "updated", up to the next label."""
    found = list(_LABEL.finditer(text))
    said = {"created": "", "updated": ""}
    for index, match in enumerate(found):
        end = found[index + 1].start() if index + 1 < len(found) else len(text)
        kind = "updated" if match["updated"] else "created"
        said[kind] = said[kind] or text[match.end() : end]
    return said["created"], said["updated"]


def _dateline_place(match: re.Match[str] | None) -> str:
    if match is None:
        return ""
    place = (match["place"] or match["capitals"] or "").strip()
    return place.title() if place.isupper() else place


# ------------------------------------------------------------------------------------------- the others


def _standfirst(blocks: list[Block], line: _Line, title: str) -> str:
    """A block marked as standfirst, or the text between headline and byline line."""
    fitting = [(n, b) for n, b in enumerate(blocks) if 40 <= len(b.text) <= 700 and b.text != title]
    for _, block in fitting:
        around = [block.element, *([parent] if (parent := block.element.getparent()) is not None else [])]
        marks = " ".join(f"{each.get('class') or ''} {each.get('itemprop') or ''}" for each in around)
        if _STANDFIRST_CLASS.search(marks) and block.element.tag in {"p", "div", "h2", "h3"}:
            return block.text
    return next((block.text for number, block in fitting if number < line.position), "")


def _agency(blocks: list[Block]) -> str:
    for block in blocks:
        last = re.search(r"\(([^()]{5,160})\)\W*$", block.text)
        for text in (block.text.strip("()[] "), last[1] if last else ""):
            if len(text) <= 160 and _AGENCY_LINE.fullmatch(text):
                return text
    return ""


def _countries(blocks: list[Block]) -> tuple[str, ...]:
    for number, block in enumerate(blocks):
        label = _COUNTRY.match(block.text)
        if label and label["names"]:
            return tuple(name.strip() for name in re.split(r"[,;|•]", label["names"]) if name.strip())
        if label:
            return tuple(_same_list(block, blocks[number + 1 :]))
    return ()


def _same_list(label: Block, following: list[Block]) -> Iterator[str]:
    """The entries after a label: the rest of its list, or the one block beside it."""
    in_list = label.element.tag in {"li", "dt"}
    for number, block in enumerate(following):
        if len(block.text) > 60 or (in_list and block.element.getparent() is not label.element.getparent()):
            return
        if not in_list and number and block.element.tag != "li":
            return
        yield block.text


def _image(page: HtmlElement, heading: HtmlElement | None, blocks: list[Block]) -> Image | None:
    """The first picture after the headline, with the credit beside it."""
    started = heading is None
    for element in readable(scope(page, heading)):
        started = started or element is heading
        width, height = pixels(element.get("width")), pixels(element.get("height"))
        if started and element.tag == "img" and _source(element) and (width == 0 or width >= 100):
            return Image(_source(element), element.get("alt") or "", _credit(element, blocks), width, height)
    return None


def _source(element: HtmlElement) -> str:
    written = (element.get(name) or "" for name in ("data-src", "src", "data-original"))
    return next((url for url in written if url and not url.startswith("data:")), "")


def _credit(image: HtmlElement, blocks: list[Block]) -> str:
    figure = next(image.iterancestors("figure"), None)
    near = [b for b in blocks if figure is not None and (b.element is figure or figure in b.element.iterancestors())]
    for block in near or blocks:
        for element in block.element.iter():
            if isinstance(element.tag, str) and re.search(r"credit|copyright", element.get("class") or "", re.I):
                return _after_label(text_of(element)) or text_of(element)
        if len(block.text) <= _LINE and _after_label(block.text):
            return _after_label(block.text)
    return ""


def _after_label(text: str) -> str:
    """``Photo: Somebody`` names somebody; in ``Somebody Image Credit:`` the name comes before."""
    match = _CREDIT.search(text)
    if not match:
        return ""
    return (text[match.end() :].strip(" ()") or text[: match.start()]).strip(" ()-–—|")
