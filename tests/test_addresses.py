"""Addresses: one spelling, one key."""

from __future__ import annotations

import pytest

from digest import addresses
from digest.errors import InputError


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (" Ann.Lee@Example.ORG\n", "Ann.Lee@example.org"),
        ("ann@exämple.org", "ann@xn--exmple-cua.org"),
        ("jo\u0308rg@example.org", "j\u00f6rg@example.org"),
        ("ann+news@mail.example.test", "ann+news@mail.example.test"),
    ],
)
def test_an_address_has_one_spelling(given: str, stored: str) -> None:
    assert addresses.normalise(given) == stored
    assert addresses.normalise(stored) == stored


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("ann", "@-sign"),
        ("", "@-sign"),
        ("ann@home", "period"),
        ("Ann <ann@example.org>", "angle brackets"),
        ("a b@example.org", "SPACE"),
        ("ann@example.org\r\nBcc: eve@example.org", "invalid characters"),
        ("ann@" + "x" * 70 + ".org", "so many characters"),
        ("ann@printer.local", "special-use"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line_with_the_reason(given: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        addresses.normalise(given)
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_case_does_not_make_another_reader() -> None:
    assert addresses.key("Ann@example.org") == addresses.key("ann@example.org")
    assert addresses.key("ann@example.org") != addresses.key("anne@example.org")
    assert len(addresses.key("ann@example.org")) == 16
