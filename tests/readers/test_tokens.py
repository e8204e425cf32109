"""Signed tokens: each for one purpose, by keys that are rotated, and never forged."""

from __future__ import annotations

import base64
from datetime import timedelta

from digest.readers import tokens
from tests.conftest import NOW

KEYS = (("b", b"new secret" * 4), ("a", b"old secret" * 4))


def test_tokens_name_what_they_were_made_for() -> None:
    token = tokens.reader(KEYS, 41, 1_000_000)
    assert tokens.read_reader(KEYS, token) == tokens.ReaderToken(41, 1_000_000)
    path = tokens.return_path(KEYS, 41, 1_000_000)
    assert tokens.read_return_path(KEYS, path.upper()) == tokens.ReaderToken(41, 1_000_000)
    assert len(f"b+{tokens.return_path(KEYS, 2**31, 2**40)}") <= 64


def test_tokens_of_a_retired_key_verify_and_of_a_removed_one_do_not() -> None:
    old = tokens.reader(KEYS[1:], 1, 2)
    assert tokens.read_reader(KEYS, old) == tokens.ReaderToken(1, 2)
    assert tokens.read_reader(KEYS[:1], old) is None


def test_a_token_serves_one_purpose_and_no_forgery() -> None:
    token = tokens.reader(KEYS, 7, 8)
    path = tokens.return_path(KEYS, 7, 8)
    confirm = tokens.confirm(KEYS, 7, NOW)
    as_path, as_link = (base64.urlsafe_b64decode(token + "==").hex(), base64.urlsafe_b64encode(bytes.fromhex(path)))
    assert tokens.read_return_path(KEYS, as_path) is None
    assert tokens.read_reader(KEYS, as_link.decode().rstrip("=")) is None
    assert tokens.read_reader(KEYS, confirm) is None
    assert tokens.read_confirm(KEYS, token, NOW) is None
    for position in range(len(token)):
        forged = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        assert tokens.read_reader(KEYS, forged) is None
    for junk in ("", "?", "é", "AAAA", token + "=", token + "AAAA"):
        assert tokens.read_reader(KEYS, junk) is None


def test_a_confirmation_ends_after_a_week() -> None:
    token = tokens.confirm(KEYS, 5, NOW)
    assert tokens.read_confirm(KEYS, token, NOW + timedelta(days=7)) == 5
    assert tokens.read_confirm(KEYS, token, NOW + timedelta(days=7, seconds=1)) is None
