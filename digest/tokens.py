"""Signed tokens: what a link or a return path carries instead of an address.

HMAC-SHA256 (RFC 2104) cut to 96 bits, over a one-letter purpose, the key's id and the numbers it names. A token is
good for its purpose only, carries no address, and names its key so that keys can be rotated. Own code rather than
itsdangerous because the return path allows 64 characters in one case (RFC 5321 4.5.3.1.1) and because one is made
per mail: 4 µs.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_MAC_BYTES = 12
Keys = Sequence[tuple[str, bytes]]


class Purpose(StrEnum):
    """What a token lets its bearer do."""

    READER = "r"  # everything a mail's own links offer: unsubscribe, preferences, web version; never expires
    CONFIRM = "c"  # confirm one sign-up, for a week
    RETURN = "b"  # the return path of one message (VERP): identifies, permits nothing


CONFIRM_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ReaderToken:
    """Names a subscription and the issue whose mail carried it (0: not from an issue)."""

    issue_id: int
    subscription_id: int


def reader(keys: Keys, issue_id: int, subscription_id: int) -> str:
    """The token for all links in one mail: about 26 characters of base64url."""
    return _text(_sign(keys[0], Purpose.READER, (issue_id, subscription_id)))


def read_reader(keys: Keys, token: str) -> ReaderToken | None:
    """What a reader token names, or ``None`` if it is not one of ours."""
    numbers = _verify(keys, Purpose.READER, _bytes(token))
    return ReaderToken(*numbers) if numbers and len(numbers) == 2 else None


def confirm(keys: Keys, subscription_id: int, now: datetime) -> str:
    """The token of a confirmation mail, good for ``CONFIRM_WITHIN``."""
    return _text(_sign(keys[0], Purpose.CONFIRM, (subscription_id, int(now.timestamp()))))


def read_confirm(keys: Keys, token: str, now: datetime) -> int | None:
    """The subscription a confirmation token names, or ``None`` if it is forged or too old."""
    numbers = _verify(keys, Purpose.CONFIRM, _bytes(token))
    if not numbers or len(numbers) != 2:
        return None
    age = now.timestamp() - numbers[1]
    return numbers[0] if age <= CONFIRM_WITHIN.total_seconds() else None


def return_path(keys: Keys, issue_id: int, subscription_id: int) -> str:
    """The token of a VERP return path and of the Message-ID: lower-case base32, since relays may fold case."""
    raw = _sign(keys[0], Purpose.RETURN, (issue_id, subscription_id))
    return base64.b32encode(raw).decode().rstrip("=").lower()


def read_return_path(keys: Keys, token: str) -> ReaderToken | None:
    """The issue and subscription a return path names, or ``None`` if it is forged."""
    try:
        raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except ValueError:
        return None
    numbers = _verify(keys, Purpose.RETURN, raw)
    return ReaderToken(*numbers) if numbers and len(numbers) == 2 else None


def _sign(key: tuple[str, bytes], purpose: Purpose, numbers: Sequence[int]) -> bytes:
    kid, secret = key
    payload = kid.encode() + b"".join(_varint(n) for n in numbers)
    return payload + _mac(secret, purpose, payload)


def _mac(secret: bytes, purpose: Purpose, payload: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode() + payload, "sha256")[:_MAC_BYTES]


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


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return b""
    return raw if _text(raw) == token else b""
