"""Mails that unsubscribe: what the mailto in List-Unsubscribe (RFC 2369 3.2) makes a mail program send.

The token stands in the subject, since local parts get their case folded on the way. It is all the proof there is, as on
the pages; whoever sends it and whatever else the mail says does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email import policy
from email.parser import BytesHeaderParser

from digest.readers import tokens
from digest.readers.tokens import Keys, ReaderToken

_WORD = re.compile(r"[A-Za-z0-9_-]{16,80}")
_MOST = 32 * 1024  # bytes looked at: headers come first
_MOST_OF_SUBJECT = 1000  # characters decoded: ours has less than a hundred


def reader_of(keys: Keys, mail: bytes) -> ReaderToken | None:
    """Whom a mail unsubscribes, ``None`` if it does not."""
    return named(keys, words(mail))


def words(mail: bytes) -> tuple[str, ...]:
    """The words of its subject that could be a token."""
    try:
        fields = BytesHeaderParser(policy=policy.default).parsebytes(mail[:_MOST]).raw_items()
        raw = next((value for name, value in fields if name.casefold() == "subject"), "")
        subject = str(policy.default.header_fetch_parse("Subject", raw[:_MOST_OF_SUBJECT]))
    except (ValueError, LookupError, AttributeError, RecursionError):  # what the parser can't bear is no mail of ours
        return ()
    return tuple(_WORD.findall(subject))


def named(keys: Keys, words: Iterable[str]) -> ReaderToken | None:
    """Whom the first true token among these words names."""
    found = (tokens.read_reader(keys, word) for word in words)
    return next(filter(None, found), None)
