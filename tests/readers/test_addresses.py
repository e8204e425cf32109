"""Addresses: one spelling, one key."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.errors import InputError
from digest.readers import addresses


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


_WORDS = st.text("aZ9.-_+'!@ \tx\u00e9\"(", max_size=12)
_NAMES = st.sampled_from(["postmaster", "Sales", "INFO", "ann", "Ann", "a.b", ".a", "a" * 64, "a" * 65])
_ODD = "local x.local 1.2 a..b -a.org a-.org xn--a.org .org org. a.b. [1.2.3.4] invalid a.onion ab--cd.org x--y.org"
_LONG = ["x" * 63 + ".org", "x" * 64 + ".org", ".".join(["x" * 61] * 3) + ".org", ".".join(["x" * 61] * 4) + ".org"]
_DOMAINS = st.sampled_from(["example.org", "EXAMPLE.org", "a.test", "XN--EXMPLE-CUA.org", *_ODD.split(), *_LONG])


@settings(max_examples=600)
@given(st.one_of(_NAMES, _WORDS), st.one_of(_DOMAINS, _WORDS), st.sampled_from(["", " ", "\n"]))
def test_the_short_way_for_plain_addresses_comes_to_what_the_library_says(local: str, domain: str, end: str) -> None:
    text = f"{local}@{domain}{end}"
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
        wanted = f"{found.local_part}@{found.ascii_domain}"
    except EmailNotValidError:
        with pytest.raises(InputError):
            addresses.normalise(text)
    else:
        assert addresses.normalise(text) == wanted


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 5.1.1 <ann@example.org>: no such user", "550 5.1.1 <(address)>: no such user"),
        ("to jörg@exämple.org, (ann@x.test.)", "to (address), ((address).)"),
        ("connect to mx.example.org[192.0.2.1]:25: @ 12:00", "connect to mx.example.org[192.0.2.1]:25: @ 12:00"),
        ("x" * 500_000, "x" * 500_000),  # is not looked at again for every letter
        ("@" * 500_000, "(address)"),
    ],
)
def test_addresses_are_hidden_in_what_servers_say(said: str, kept: str) -> None:
    assert addresses.hidden(said) == kept


@pytest.mark.parametrize(
    "text",
    [
        "Ann;ann@x.example;99",
        "7|ann@x.example|Ann",
        "mailto:ANN@x.example.",
        "'ann@X.example'",
        "to=ann@x.example, bob",
        "no address, " + "x" * 500_000 + " <ann@x.example>",
        "''" * 1000 + "ann@x.example",
    ],
)
def test_addresses_are_known_again_in_any_text(text: str) -> None:
    assert addresses.key("ann@x.example") in addresses.keys_in(text)


@pytest.mark.parametrize("text", ["", "ann", "@", "ann@", "@x.example", "joann@x.example", "ann@x.example.org"])
def test_what_only_looks_like_an_address_is_not_taken_for_it(text: str) -> None:
    assert addresses.key("ann@x.example") not in addresses.keys_in(text)


def test_what_is_kept_of_strangers_words_can_be_kept() -> None:
    assert addresses.hidden("no \0 user \ud800 here") == "no \ufffd user \ufffd here"


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Ann.Lee+news@example.org", "ann.lee@example.org"),
        ("a.n.n+1+2@gmail.com", "ann@gmail.com"),
        ("Ann@googlemail.com", "ann@gmail.com"),
        ("+tag@example.org", "+tag@example.org"),
        ("...@gmail.com", "...@gmail.com"),
        ("ann@example.org", "ann@example.org"),
    ],
)
def test_limits_count_the_mailbox_behind_an_address(address: str, mailbox: str) -> None:
    assert addresses.mailbox(address) == mailbox
