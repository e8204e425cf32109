"""What templates may use, with a description of each: ``docs/reference/templates.md`` is made from it.

The code takes its names from here, so what is not described is not there.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "edition": "The edition: `name`, `title`, `tagline`, `copyright`, `postal_address`, `locale`, `time_zone`, `links` "
    "(each with `role`, `title`, `url`) and the other keys of its file.",
    "cadence": "The cadence of the issue, such as `daily`.",
    "issue_date": "The issue's slot: a time, for the filters `day`, `clock` and `moment`.",
    "intro_html": "The editor's introduction as safe HTML; empty if there is none.",
    "intro_text": "The same as plain text.",
    "sections": "The sections in the order of the edition file, each with `index` (from 0), `section` (`key`, `title`, "
    "`rule`, `count`), `layout` (`lead`, `trending`, `opinion`, `shorts`, `latest` or `rows`) and `items`.",
    "slot": "`slot(NAME)` writes a personal value, see below.",
    "cut": "`cut(KIND)` marks where a block begins, see below.",
    "page": "In the public archive: `url`, `home`, `home_title`, and `head` and `foot`, markup to be put in. In mails: "
    "none.",
    "signup_url": "The address of the sign-up form.",
    "web_url": "The address of this issue on the web: in mails the reader's own, in the archive the page's.",
    "preferences_url": "The address of the reader's preferences; in the archive that of the sign-up form.",
    "unsubscribe_url": "The address of the reader's unsubscribe page; in the archive that of the sign-up form.",
}
"""What ``issue.html.j2``, ``issue.txt.j2`` and the files they include are given."""

LETTER_NAMES: Mapping[str, str] = {
    "edition": "The edition.",
    "kind": "What is asked: `confirm` a sign-up, `move` to a new address, show `data`, `erase` it. "
    "`moved` asks nothing.",
    "subject": "The string of `[mail]` that is the subject.",
    "url": "The address that confirms it; empty for `moved`.",
}
"""What ``confirm.html.j2``, ``confirm.txt.j2`` and ``confirm.subject.j2`` are given."""

SET: Mapping[str, str] = {
    "t": "The words of the frame in the edition's language, by their names in `[mail]` of `strings/LOCALE.toml`.",
    "look": "The look: `light` and `dark`, each with `paper`, `ground`, `tint`, `ink`, `body`, `soft`, `line`, "
    "`accent`, `on_accent`; `headings` and `text`, each with `css`, and `word` for Outlook; `logo` (`url`, `width`, "
    "`height`, `alt`) or none.",
    "dir": "The direction of writing: `ltr` or `rtl`.",
    "lang": "The language tag.",
    "start": "The side that a line begins at: `left`, or `right` where `dir` is `rtl`.",
    "end": "The other side.",
    "view": "The section that is being written, an entry of `sections`.",
    "item": "The story that is being written: `story_id`, `title`, `url`, `standfirst`, `byline`, `place`, `agency`, "
    "`region` (of a trending story), `source`, `also` (other sources), `sector`, `kind`, `image` (`url`, `alt`, "
    "`credit`, `width`, `height`; or none), `published` and `updated` (times, or none).",
}
"""What ``issue.html.j2`` sets for the files it includes."""

SLOTS: Mapping[str, str] = {
    "token": "The reader's token, which ends the addresses of their own pages. `web_url` and its like hold it already.",
    "name": "The reader's name; may be empty.",
    "address": "The reader's e-mail address.",
    "rank": "The story's place in the reader's own digest, from 1 in each section. Only within stories.",
    "preheader": "The line that mail programs show behind the subject. Only in the head of the HTML part.",
}
"""Personal values, filled in for each reader. In the public archive they are empty, except `rank`."""

FOLDS: Mapping[str, str] = {
    "fold": "What follows, up to `unfold`, is left out of a story's short form. Written by the filter `foldable`.",
    "unfold": "The end of that.",
}

CUTS: Mapping[str, str] = {
    "opening": '`cut("opening", view.index)`: the start of a section.',
    "story": '`cut("story", view.index, item.story_id)`: a story.',
    "closing": '`cut("closing", view.index)`: the end of a section.',
    "more": '`cut("more")`: the link to the rest, only in mails that reached their size budget.',
    "tail": '`cut("tail")`: what ends every mail.',
    **FOLDS,
}
"""Marks of blocks. What stands before the first is the head, which begins every mail."""

FUNCTIONS: Mapping[str, str] = {
    "texts": "`texts(locale)`: the words of the frame in a language.",
    "dressed": "`dressed(edition)`: its look.",
    "direction": "`direction(locale)`: `ltr` or `rtl`.",
    "has_italics": "`has_italics(locale)`: whether its script has italics.",
}

FILTERS: Mapping[str, str] = {
    "day": "A time as a date in full: *Monday, 23 November 2026*.",
    "clock": "A time as the hour: *15:45*.",
    "moment": "A time as date, hour and zone: *4 Nov 2024, 15:45 IST*.",
    "lately": "A time seen from the issue: *15:45* on the same day, *22 Nov, 15:45* on another.",
    "briefly": "The same in short: *15:45*, or *22 Nov*.",
    "numeral": "A number in the numerals of the edition's language.",
    "listed": "A list of names: *A, B and C*, as the edition's language joins them.",
    "directed": "Text that may run in the other direction, marked if it does.",
    "foldable": "Whole elements that a story does without where the mail would exceed its size.",
    "flowed": "A paragraph of the text part, filled to lines; `flowed(4)` if four characters stand before it.",
    "underlined": 'A heading of the text part over a line of its own width; `underlined("=")` for another line.',
}
"""Filters beside Jinja's own. Dates and numbers follow the edition's language and time zone."""
