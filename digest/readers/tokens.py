"""Signed tokens: what a link or a return path carries instead of an address.

HMAC-SHA256 (RFC 2104) cut to 96 bits, over a letter, the key's id and the numbers it names. A token is good for its
purpose only, carries no address, and names its key so that keys can be rotated. The two tokens that every mail carries
are separate 96 bits of one HMAC: who has seen one knows nothing of the other, and a mail costs one computation. Own
code rather than itsdangerous because the return path allows 64 characters in one case (RFC 5321 4.5.3.1.1) and because
they are made per mail: 4 µs for both.
"""

from __future__ import annotations

import base64
import hmac
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import blake2b

_MAC_BYTES = 12
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
Keys = Sequence[tuple[str, bytes]]


class Purpose(Enum):
    """What a token lets its bearer do: the letter that is signed with it, and where its bits begin in the HMAC."""

    READER = (b"m", 0)  # everything a mail's own links offer: unsubscribe, preferences, web version; never expires
    RETURN = (b"m", _MAC_BYTES)  # the return path of one message (VERP): identifies, permits nothing
    CONFIRM = (b"c", 0)  # confirm one sign-up, for a week
    ERRAND = (b"e", 0)  # do what a reader asked for, for a week
    UNDO = (b"u", 0)  # take back an unsubscription, for an hour
    FORM = (b"f", 0)  # a sign-up form: when it was fetched and from where


CONFIRM_WITHIN = timedelta(days=7)
FORM_WITHIN = timedelta(days=1)
UNDO_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ReaderToken:
    """Names a subscription and the issue whose mail carried it (0: not from an issue)."""

    issue_id: int
    subscription_id: int


class Mint:
    """Makes the two tokens of each mail, as bytes. The key's part of the work is done once, here."""

    def __init__(self, keys: Keys) -> None:
        kid, secret = keys[0]
        self._kid = kid.encode()
        self._begun = hmac.new(secret, Purpose.READER.value[0] + self._kid, "sha256")

    def pair(self, issue_id: int, subscription_id: int) -> tuple[bytes, bytes]:
        """The token for all links in one mail, about 26 characters of base64url, and that of its return path and
        Message-ID: hexadecimal, since relays may fold case."""
        numbers = _varint(issue_id) + _varint(subscription_id)
        mac = self._begun.copy()
        mac.update(numbers)
        bits, payload = mac.digest(), self._kid + numbers
        path = payload + bits[_MAC_BYTES : 2 * _MAC_BYTES]
        return _text(payload + bits[:_MAC_BYTES]), path.hex().encode()


def reader(keys: Keys, issue_id: int, subscription_id: int) -> str:
    """The token for all links in one mail: about 26 characters of base64url."""
    return Mint(keys).pair(issue_id, subscription_id)[0].decode()


def read_reader(keys: Keys, token: str) -> ReaderToken | None:
    """What a reader token names, or ``None`` if it is not one of ours."""
    numbers = _verify(keys, Purpose.READER, _bytes(token))
    return ReaderToken(*numbers) if numbers and len(numbers) == 2 else None


def confirm(keys: Keys, subscription_id: int, now: datetime) -> str:
    """The token of a confirmation mail, good for ``CONFIRM_WITHIN``."""
    return _sealed(keys, Purpose.CONFIRM, now, subscription_id)


def read_confirm(keys: Keys, token: str, now: datetime) -> int | None:
    """The subscription a confirmation token names, or ``None`` if it is forged or too old."""
    opened = _opened(keys, Purpose.CONFIRM, token)
    return opened[0] if opened and opened[1] >= now - CONFIRM_WITHIN else None


def errand(keys: Keys, errand_id: int, asked_at: datetime) -> str:
    """The token of a mail that asks a reader to confirm an errand, good for ``CONFIRM_WITHIN`` from when it was asked
    for; a newer one of the same id is another errand."""
    return _sealed(keys, Purpose.ERRAND, asked_at, errand_id)


def read_errand(keys: Keys, token: str, now: datetime) -> tuple[int, datetime] | None:
    """The errand a token names and the second it was asked for, or ``None`` if it is forged or too old."""
    opened = _opened(keys, Purpose.ERRAND, token)
    return opened if opened and opened[1] >= now - CONFIRM_WITHIN else None


def undo(keys: Keys, subscription_ids: Sequence[int], now: datetime) -> str:
    """What the page after an unsubscription carries: these subscriptions ended just now."""
    return _sealed(keys, Purpose.UNDO, now, *subscription_ids)


def read_undo(keys: Keys, token: str, now: datetime) -> Sequence[int]:
    """The subscriptions that may be restored: none for a forged token or one older than ``UNDO_WITHIN``."""
    numbers = _verify(keys, Purpose.UNDO, _bytes(token)) or [0]
    return numbers[1:] if numbers[0] >= int((now - UNDO_WITHIN).timestamp()) else []


def form(keys: Keys, place: str, now: datetime) -> str:
    """What a sign-up form carries: that it was fetched now, by somebody at ``place``."""
    return _sealed(keys, Purpose.FORM, now, _number(place))


def read_form(keys: Keys, token: str, place: str, now: datetime) -> timedelta | None:
    """How long ago this form was fetched; ``None`` if it is forged, older than ``FORM_WITHIN`` or was fetched elsewhere
    than at ``place``."""
    opened = _opened(keys, Purpose.FORM, token)
    if opened is None or opened[0] != _number(place) or now - opened[1] > FORM_WITHIN:
        return None
    return now - opened[1]


def return_path(keys: Keys, issue_id: int, subscription_id: int) -> str:
    """The token of a VERP return path and of the Message-ID: hexadecimal, since relays may fold case."""
    return Mint(keys).pair(issue_id, subscription_id)[1].decode()


def read_return_path(keys: Keys, token: str) -> ReaderToken | None:
    """The issue and subscription a return path names, or ``None`` if it is forged."""
    try:
        raw = bytes.fromhex(token)
    except ValueError:
        return None
    numbers = _verify(keys, Purpose.RETURN, raw)
    return ReaderToken(*numbers) if numbers and len(numbers) == 2 else None


def _sealed(keys: Keys, purpose: Purpose, now: datetime, *named: int) -> str:
    kid, secret = keys[0]
    payload = kid.encode() + b"".join(_varint(number) for number in (int(now.timestamp()), *named))
    return _text(payload + _mac(secret, purpose, payload)).decode()


def _opened(keys: Keys, purpose: Purpose, token: str) -> tuple[int, datetime] | None:
    """The one number that a token names and when it was made, ``None`` if it is forged."""
    numbers = _verify(keys, purpose, _bytes(token))
    return (numbers[1], datetime.fromtimestamp(numbers[0], UTC)) if numbers and len(numbers) == 2 else None


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest())


def _mac(secret: bytes, purpose: Purpose, payload: bytes) -> bytes:
    letter, start = purpose.value
    return hmac.digest(secret, letter + payload, "sha256")[start : start + _MAC_BYTES]


def _verify(keys: Keys, purpose: Purpose, raw: bytes) -> list[int] | None:
    payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    for kid, secret in keys:
        if payload[:1] == kid.encode() and hmac.compare_digest(mac, _mac(secret, purpose, payload)):
            return _numbers(payload[1:])
    return None


def _varint(number: int) -> bytes:
    """LEB128: seven bits a byte, the top bit set on all but the last."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _numbers(raw: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in raw:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
    return numbers


def _text(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=")


def _bytes(token: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return raw if _text(raw) == token.encode() else b""
