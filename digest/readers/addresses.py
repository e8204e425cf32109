"""Mail addresses: one spelling to store and to send to, one key to compare and to remember them by."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from unicodedata import normalize

from digest.errors import InputError
from digest.language.text import many_lines, quoted

KEY_BYTES = 16
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9.-]+)")  # RFC 5322 dot-atom at an ASCII domain
# Each begins where a word does: tried at every letter of a long word, they would take minutes.
_ANY = re.compile(r"(?<![^\s<>()\[\]\"',;:])[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]*[^\s<>()\[\]\"',;:.]")
_WORD = re.compile(r"(?<![^\s@<>()\[\]\",;:|])[^\s@<>()\[\]\",;:|]+@[^\s@<>()\[\]\"',;:|]+")
_BEFORE = re.compile(r"^|['=/*`]")  # what may stand before an address, and in one
_GMAIL = frozenset({"gmail.com", "googlemail.com"})  # where dots in the local part count for nothing
_MOST_LOCAL, _MOST = 64, 254  # characters (RFC 5321 4.5.3.1)


def normalise(text: str) -> str:
    """The address as it is stored and sent to: NFC, the domain in lower case and as its A-label (RFC 5890), the local
    part as given. Blanks around it are dropped; the name server is not asked.

    A local part outside ASCII passes: whether it can be sent to (RFC 6531) is known at the server only. Domains under
    ``.test`` (RFC 6761) pass, so that a rehearsal needs no real ones. Raises ``InputError`` with the reason.
    """
    given = text.strip()
    plain = _PLAIN.fullmatch(given)
    if plain and len(given) <= _MOST and _is_stored_as_given(plain[1]) and (domain := _domain(plain[2])):
        return f"{plain[1]}@{domain}"
    try:
        return _checked(given)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise InputError(
            f"{quoted(given)} is not a valid e-mail address", reason, fault="address", typed=given
        ) from None


def key(address: str) -> bytes:
    """What a normalised address is compared and remembered by, 16 bytes: case does not count, in the local part
    neither, since no provider of note tells ``Ann@`` from ``ann@`` and a reader types both."""
    return blake2b(normalize("NFC", address.casefold()).encode(), digest_size=KEY_BYTES).digest()


def mailbox(address: str) -> str:
    """Where mail to a normalised address ends up, for limits only: the address in lower case without its ``+tag``, at
    Gmail without dots too. One person can write their address in endless ways; many providers know no tags, so this
    never says whether two readers are one."""
    local, _, domain = address.casefold().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{domain}"


def spellings(address: str) -> frozenset[str]:
    """A normalised address as it may stand in a text that somebody else wrote, in lower case: its domain as A-labels
    and as Unicode."""
    local, _, domain = address.casefold().rpartition("@")
    with suppress(UnicodeError):
        return frozenset({f"{local}@{domain}", f"{local}@{domain.encode('ascii').decode('idna')}"})
    return frozenset({f"{local}@{domain}"})


def hidden(text: str) -> str:
    """``text`` without mail addresses, for what is kept or logged: servers' replies like to quote them; nor with what
    no database keeps."""
    return many_lines(_ANY.sub("(address)", text), mark="\ufffd")


def keys_in(text: str) -> set[bytes]:
    """The keys of whatever may be a mail address in ``text``."""
    found = set[bytes]()
    for word in {word[-_MOST:] for word in _WORD.findall(text)}:
        for before in _BEFORE.finditer(word):
            with suppress(InputError):
                found.add(key(normalise(word[before.end() :].rstrip("."))))
    return found


def _checked(text: str) -> str:
    """The address as it is stored. Raises ``ValueError`` (``EmailNotValidError`` is one) with the reason."""
    # here: it compiles 25 ms of patterns, and few commands are given an address
    from email_validator import validate_email

    found = validate_email(text, check_deliverability=False, test_environment=True)
    return f"{found.local_part}@{found.ascii_domain}"


def _is_stored_as_given(local: str) -> bool:
    """Whether this dot-atom needs no second look: names such as Postmaster, letters all, are stored in lower case."""
    return len(local) <= _MOST_LOCAL and (local.islower() or not local.isalpha())


@lru_cache(maxsize=50_000)
def _domain(domain: str) -> str:
    """The domain as it is stored, "" if it is none. Kept, for readers share domains: looking one up costs a fiftieth
    of checking it."""
    try:
        return _checked(f"a@{domain}").removeprefix("a@")
    except ValueError:
        return ""
