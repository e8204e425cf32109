"""Which columns of a list tell who may be mailed, and what their values mean."""

from __future__ import annotations

import pytest

from digest.readers.exports.standing import Standing, plain, sign_of, worst

A, U, N = Standing.ACTIVE, Standing.UNSUBSCRIBED, Standing.UNCONFIRMED
B, X, C = Standing.BOUNCED, Standing.BLOCKED, Standing.COMPLAINED

SAID: list[tuple[str, str, Standing | None]] = [
    ("Status", "Subscribed", A),
    ("Email Status", "hard-bounce", B),
    ("Abo-Status", "abgemeldet", U),
    ("estado", "Activo", A),
    ("state", "", A),
    ("subscribed", "2024-01-02 03:04", A),
    ("Subscribed?", "no", U),
    ("newsletter_subscribed", "", U),
    ("gdpr consent", "true", A),
    ("opt-in", "0", U),
    ("opt_in_status", "opted out", U),
    ("confirmed_at", "", N),
    ("email confirmed", "yes", A),
    ("is_valid", "false", B),
    ("unsubscribed_at", "02.01.2024", U),
    ("unsubscribed_at", "", None),
    ("Opted Out", "nein", None),
    ("is_deleted", "1", U),
    ("bounced", "TRUE", B),
    ("Bounce Type", "hard", B),
    ("Bounces", "0", None),
    ("spam_reported", "x", C),
    ("complaint date", "1700000000", C),
    ("Blacklisted", "yes", X),
    ("do not email", "y", X),
    ("unconfirmed", "1", N),
    ("suppression reason", "asked by phone", X),
]


@pytest.mark.parametrize(("column", "value", "wanted"), SAID)
def test_a_column_says_what_becomes_of_its_reader(column: str, value: str, wanted: Standing | None) -> None:
    sign = sign_of(plain(column))
    assert sign and sign.says(value) is wanted


STRANGE = [
    ("not confirmed", "yes"),
    ("no_consent", "no"),
    ("status", "1"),
    ("status", ""),
    ("payment status", "paid"),
    ("bounce count", "2"),
    ("consent", "by phone"),
]


@pytest.mark.parametrize(("column", "value"), STRANGE)
def test_what_is_not_understood_is_not_guessed(column: str, value: str) -> None:
    sign = sign_of(plain(column))
    assert sign
    with pytest.raises(LookupError):
        sign.says(value)


@pytest.mark.parametrize(
    "column",
    [
        "name",
        "city",
        "subscribed_at",
        "date subscribed",
        "opt-in IP",
        "consent_text",
        "unsubscribe_url",
        "status_changed_at",
    ],
)
def test_other_columns_tell_no_state(column: str) -> None:
    assert sign_of(plain(column)) is None


def test_the_state_that_lets_the_least_be_sent_counts() -> None:
    assert worst([A, N, U]) is U and worst([B, A]) is B and worst([A, N]) is N and worst([X, C]) is C
