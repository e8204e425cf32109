"""Mail addresses: one spelling to store and to send to, one key to compare and to remember them by."""

from __future__ import annotations

from hashlib import blake2b
from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from digest.errors import InputError

KEY_BYTES = 16


def normalise(text: str) -> str:
    """The address as it is stored and sent to: NFC, the domain in lower case and as its A-label (RFC 5890), the local
    part as given. Blanks around it are dropped; the name server is not asked.

    A local part outside ASCII passes: whether it can be sent to (RFC 6531) is known at the server only. Domains under
    ``.test`` (RFC 6761) pass, so that a rehearsal needs no real ones. Raises ``InputError`` with the reason.
    """
    given = text.strip()
    try:
        found = validate_email(given, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InputError(f"{_shown(given)} is no mail address", str(error).rstrip(".")) from None
    return f"{found.local_part}@{found.ascii_domain}"


def key(address: str) -> bytes:
    """What a normalised address is compared and remembered by, 16 bytes: case does not count, in the local part
    neither, since no provider of note tells ``Ann@`` from ``ann@`` and a reader types both."""
    return blake2b(normalize("NFC", address.casefold()).encode(), digest_size=KEY_BYTES).digest()


def _shown(text: str) -> str:
    return ascii(text[:60]) if not text.isprintable() else f"‘{text[:60]}’"
