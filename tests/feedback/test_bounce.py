"""What returned mails say, by real ones and by invented ones; whatever bytes come, nothing raises."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.feedback import bounce, refusals
from digest.feedback.bounce import Feedback, FeedbackKind
from digest.feedback.refusals import Grade, Past
from digest.readers import tokens

KEYS = (("a", b"k" * 32),)
NAMES = tokens.ReaderToken(7, 41)
TOKEN = tokens.return_path(KEYS, 7, 41)
RETURN_PATH = f"b+{TOKEN}@bounces.tide.example"
ARRIVED = datetime(2026, 11, 23, tzinfo=UTC)


def report(*recipients: str, to: str = RETURN_PATH, told: str = "Your mail could not be delivered.") -> bytes:
    """A delivery status notification with these blocks about recipients, and a copy of our headers."""
    blocks = "\r\n\r\n".join(recipients)
    return (
        f"""From: Mail Delivery System <mailer-daemon@mx.example>
To: {to}
Subject: Undelivered mail
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="=_1"

--=_1
Content-Type: text/plain

{told}

--=_1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

{blocks}

--=_1
Content-Type: text/rfc822-headers

Return-Path: <{RETURN_PATH}>
Message-ID: <{TOKEN}@tide.example>
Subject: The tide turns

--=_1--
""".replace("\r\n", "\n")
        .replace("\n", "\r\n")
        .encode()
    )


def recipient(status: str, said: str = "", action: str = "failed") -> str:
    diagnosis = f"\r\nDiagnostic-Code: smtp; {said}" if said else ""
    return f"Final-Recipient: rfc822; ann@x.example\r\nAction: {action}\r\nStatus: {status}{diagnosis}"


def complaint(kind: str) -> bytes:
    return f"""From: feedback loop <fbl@provider.example>
To: abuse@tide.example
Subject: FW: The tide turns
Content-Type: multipart/report; report-type=feedback-report; boundary="=_2"

--=_2
Content-Type: text/plain

Somebody pressed a button.

--=_2
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: loop/1
Version: 1

--=_2
Content-Type: message/rfc822

From: The Tide <news@tide.example>
To: redacted
Message-ID: <{TOKEN}@tide.example>
Subject: The tide turns

News.
--=_2--
""".encode()


def letter(headers: str, body: str) -> bytes:
    return f"{headers}\r\n\r\n{body}\r\n".encode()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("5.0.0", "550 This server does not accept mail from dynamic IP addresses"),
        ("5.0.0", "554 mx1.x.example does not accept mail from 1.2.3.4"),
        ("5.0.0", "550 x.example does not accept email from example.org"),
        ("5.0.0", "550 Unknown host [1.2.3.4]"),
        ("5.1.2", "550 5.1.2 Unknown host [IPv6:2001:db8::1]"),
        ("5.0.0", "550 Your hostname unknown"),
        ("5.0.0", "550 domain bounces.example.org does not exist"),
        ("5.1.2", "550 Domain not found for return path b+1@bounces.example.org"),
        ("5.0.0", "550 Sender address b+1@bounces.example.org: user unknown"),
        ("5.1.1", "550 5.1.1 Sender verification failed: no such user"),
        ("5.0.0", "554 IP=1.2.3.4 - A problem occurred. (Ask your postmaster for help)"),
        ("5.0.0", "host mx.x.example[5.6.7.8] refused to talk to me: 554 no"),
        ("5.0.0", "571 Email from 1.2.3.4 is currently refused"),
        ("5.0.0", "554 mx.x.example No SMTP service here"),
    ],
)
def test_what_is_said_of_us_is_never_held_against_the_address(status: str, said: str) -> None:
    assert refusals.grade(status, said) is Grade.BLOCKED
    assert refusals.grade(status, said.partition(" ")[2]) is Grade.BLOCKED
    assert bounce.read(KEYS, report(recipient(status, said))).grade is Grade.BLOCKED


def test_the_address_of_the_server_that_was_asked_does_not_hide_a_dead_one() -> None:
    for said in ("host mx.x.example[5.6.7.8] said: 550 no such user", "host mx.x.example [5.6.7.8]: 550 unknown user"):
        assert refusals.grade("5.0.0", said) is Grade.HARD
    assert refusals.grade("5.1.1", "550 5.1.1 user unknown (5.6.7.8)") is Grade.HARD
    assert refusals.grade("4.4.1", "connect to 5.6.7.8: timed out") is Grade.SOFT


@pytest.mark.parametrize(
    ("status", "said", "grade"),
    [
        ("5.1.1", "550 5.1.1 no such user here", Grade.HARD),
        ("5.0.0", "550 5.1.10 recipient not found", Grade.HARD),
        ("5.0.0", "550 the mailbox does not exist", Grade.HARD),
        ("5.2.1", "550 this mailbox is disabled", Grade.HARD),
        ("5.4.4", "host not found", Grade.SOFT),
        ("5.1.2", "550 5.1.2 bad destination host", Grade.SOFT),
        ("5.0.0", "DNS Error: NXDOMAIN, domain name not found", Grade.SOFT),
        ("5.1.10", "550 5.1.10 domain not found: null MX", Grade.HARD),
        ("5.2.1", "550 the account is suspended for now", Grade.SOFT),
        ("5.2.2", "552 mailbox is full", Grade.SOFT),
        ("5.0.0", "550 user is over quota", Grade.SOFT),
        ("4.4.7", "delivery time expired", Grade.SOFT),
        ("5.0.0", "550 something else", Grade.UNCLEAR),
        ("", "450 something else", Grade.SOFT),
        ("5.0.0", "550 unknown user (in reply to end of DATA command)", Grade.SOFT),
        ("5.7.1", "550 5.7.1 recipient unknown to our policy", Grade.BLOCKED),
        ("5.0.0", "554 your address is on a block list", Grade.BLOCKED),
        ("5.0.0", "550 SPF check failed for the sender", Grade.BLOCKED),
        ("5.1.1", "550 5.1.1 too many recipients from you", Grade.BLOCKED),
        ("5.3.4", "552 message too big", Grade.BLOCKED),
        ("4.7.0", "421 we don't know your address: reputation", Grade.BLOCKED),
    ],
)
def test_a_report_tells_a_dead_address_from_a_full_one_and_from_the_senders_fault(
    status: str, said: str, grade: Grade
) -> None:
    found = bounce.read(KEYS, report(recipient(status, said)))
    assert (found.kind, found.names, found.grade) == (FeedbackKind.BOUNCE, NAMES, grade)


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded", "Delayed (will be retried)"])
def test_what_is_not_failed_is_no_bounce(action: str) -> None:
    assert bounce.read(KEYS, report(recipient("5.1.1", "550 no such user", action))).kind is FeedbackKind.AUTOMATIC


def test_who_forwards_their_mail_to_a_dead_and_a_full_address_is_not_dead() -> None:
    dead, full = recipient("5.1.1", "550 5.1.1 no such user"), recipient("5.2.2", "552 5.2.2 mailbox full")
    assert bounce.read(KEYS, report(dead, full)).grade is Grade.SOFT
    assert bounce.read(KEYS, report(dead, recipient("2.0.0", action="delivered"))).grade is Grade.HARD


def test_what_is_kept_of_a_servers_words_names_nobody() -> None:
    found = bounce.read(KEYS, report(recipient("5.1.1", "550 5.1.1 <ann@x.example> is no user here")))
    assert found.status == "5.1.1" and "no user here" in found.said and "ann" not in found.said


def test_the_mail_is_named_by_where_it_came_back_to_or_by_its_copy_and_never_without_our_signature() -> None:
    dead = recipient("5.1.1", "550 5.1.1 no such user")
    folded = report(dead, to=RETURN_PATH.upper())
    assert bounce.read(KEYS, folded).names == NAMES
    assert bounce.read(KEYS, report(dead, to="postmaster@tide.example")).names == NAMES
    forged = TOKEN[:-4] + ("0000" if TOKEN[-4:] != "0000" else "1111")
    mail = report(dead).replace(TOKEN.encode(), forged.encode())
    assert bounce.read(KEYS, mail) == Feedback(FeedbackKind.BOUNCE, None, Grade.HARD, "5.1.1", "550 5.1.1 no such user")
    readers = tokens.reader(KEYS, 7, 41)
    assert bounce.read(KEYS, report(dead).replace(TOKEN.encode(), readers.encode())).names is None


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        ("abuse", FeedbackKind.COMPLAINT),
        ("Abuse", FeedbackKind.COMPLAINT),
        ("opt-out", FeedbackKind.COMPLAINT),
        ("not-spam", FeedbackKind.AUTOMATIC),
        ("auth-failure", FeedbackKind.AUTOMATIC),
        ("", FeedbackKind.AUTOMATIC),
    ],
)
def test_a_feedback_report_is_a_complaint_by_its_kind(kind: str, means: FeedbackKind) -> None:
    found = bounce.read(KEYS, complaint(kind))
    assert (found.kind, found.names) == (means, NAMES)


DAEMON = f"From: MAILER-DAEMON@mx.example\r\nTo: {RETURN_PATH}\r\nSubject: failure notice"
PERSON = f"From: Ann <ann@x.example>\r\nTo: {RETURN_PATH}"


@pytest.mark.parametrize(
    ("mail", "kind", "grade"),
    [
        (letter(DAEMON, "We gave up.\r\n<ann@x.example>:\r\n550 5.1.1 unknown user"), FeedbackKind.BOUNCE, Grade.HARD),
        (
            letter(DAEMON, "We gave up.\r\n<ann@x.example>:\r\nSorry, no mailbox here by that name."),
            FeedbackKind.BOUNCE,
            Grade.HARD,
        ),
        (
            letter(DAEMON, "We gave up.\r\n<ann@x.example>:\r\nThe user's mailbox is full."),
            FeedbackKind.BOUNCE,
            Grade.SOFT,
        ),
        (
            letter(DAEMON, "We gave up: 554 rejected as spam\r\n\r\n--- copy of the message\r\n550 5.1.1 unknown user"),
            FeedbackKind.BOUNCE,
            Grade.BLOCKED,
        ),
        (letter(DAEMON, "Your mail has been delayed; we will continue to try."), FeedbackKind.AUTOMATIC, Grade.SOFT),
        (
            letter(PERSON + "\r\nSubject: Away\r\nAuto-Submitted: auto-replied", "I'm back in May."),
            FeedbackKind.AUTOMATIC,
            Grade.SOFT,
        ),
        (
            letter(PERSON + "\r\nSubject: Away\r\nPrecedence: junk", "I'm back in May."),
            FeedbackKind.AUTOMATIC,
            Grade.SOFT,
        ),
        (
            letter(PERSON + "\r\nSubject: Re: The tide", "Unknown user? 550 words on that."),
            FeedbackKind.OTHER,
            Grade.SOFT,
        ),
    ],
)
def test_letters_are_told_apart_by_who_writes_and_what(mail: bytes, kind: FeedbackKind, grade: Grade) -> None:
    found = bounce.read(KEYS, mail)
    assert (found.kind, found.names, found.grade) == (kind, NAMES, grade)


# ---------------------------------------------------------------------------------------- whatever bytes


@given(st.binary(max_size=3000))
def test_no_bytes_raise(mail: bytes) -> None:
    assert bounce.read(KEYS, mail).names is None


_PIECES = st.sampled_from(
    [
        report(recipient("5.1.1", "550 5.1.1 no such user")),
        complaint("abuse"),
        b"Content-Type: multipart/report; boundary=x\r\n",
        b"Content-Type: message/delivery-status\r\n\r\n",
        b"Content-Type: text/plain; charset=no-such\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        b"Subject: =?utf-8?b?/////?=\r\n",
        b"\r\n--x\r\n",
        b"\xff\xfe\x00",
        b"Action: failed\r\nStatus: \r\n\r\n",
    ]
)


@given(st.lists(st.tuples(_PIECES, st.integers(0, 400), st.integers(0, 900)), max_size=12))
def test_no_mixture_of_reports_raises(pieces: list[tuple[bytes, int, int]]) -> None:
    assert (
        bounce.read(KEYS, b"".join(piece[start : start + length] for piece, start, length in pieces)).kind
        in FeedbackKind
    )


@pytest.mark.parametrize(
    "mail",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000)),
        b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
        b"Content-Type: text/plain" + b";" * 500_000,
        b"From: mailer-daemon\r\nSubject: undeliverable\r\n\r\n" + b"user " * 100_000,
        b"From: mailer-daemon\r\nSubject: undeliverable\r\n\r\n" + b"\n " * 200_000,
        b"From: mailer-daemon\r\nSubject: deliver" + b"0" * 500_000,
        b"Content-Type: message/delivery-status\r\n\r\n" + b"a:b\n\n" * 100_000,
        b"From: a\r\n\r\n" + b"<" + b"ab" * 250_000,
        b"From: a\r\n\r\n" + (b"b+" + b"a1" * 30 + b"@x ") * 8000,
        report(recipient("5.0.0", "unknown " * 50_000)),
    ],
)
def test_what_is_made_to_cost_time_costs_little(mail: bytes) -> None:
    """It would be minutes; the suite's own time limit tells."""
    for _ in range(3):
        assert bounce.read(KEYS, mail).kind in FeedbackKind


# ------------------------------------------------------------------------------------------- over issues


def past(days_ago: float, grade: Grade | None = Grade.SOFT) -> Past:
    at = ARRIVED - timedelta(days=days_ago)
    return Past(at, grade, at)


@pytest.mark.parametrize(
    ("pasts", "worn_out"),
    [
        ([past(n * 4) for n in range(5)], True),
        ([past(n * 4) for n in range(4)], False),  # too few
        ([past(n) for n in range(10)], False),  # too soon
        ([past(0), past(4), past(8, None), *(past(n * 4) for n in range(3, 6))], False),  # one got through
        ([past(1, None), *(past(n * 4 + 2) for n in range(5))], True),  # may come back yet
        ([past(n * 4, Grade.BLOCKED) for n in range(5)], False),
        ([past(n * 4, Grade.UNCLEAR) for n in range(5)], False),
        ([past(0), past(4), past(5, Grade.BLOCKED), *(past(n * 4) for n in range(2, 5))], True),
        ([], False),
    ],
)
def test_an_address_is_given_up_after_many_soft_bounces_in_a_row_over_days(pasts: list[Past], worn_out: bool) -> None:
    assert refusals.is_worn_out(pasts, 5, timedelta(days=14), ARRIVED) is worn_out


# ------------------------------------------------------------------------------------------ real bounces


def test_real_bounces_are_read_as_they_are_labelled(shared_data: Path) -> None:
    """Labels are per recipient, and each mail of ours has one: with several, it is dead when all are. Where the label
    says less than the mail, that counts: a report of a delay is none of a failure, one of a failed signature is no
    reader's complaint; "filtered", a domain not found (perhaps by our own name server), and a mailbox that is disabled
    or at rest (5.2.1), leave open whether it is dead."""
    labels = json.loads((shared_data / "bounces" / "expected.json").read_text(encoding="utf-8"))
    wrong, suppressed = [], []
    for name, recipients in labels.items():
        mail = (shared_data / "bounces" / name).read_bytes()
        found = bounce.read(KEYS, mail)
        dead = found.kind is FeedbackKind.BOUNCE and found.grade is Grade.HARD
        if not _right(found, mail, recipients):
            wrong.append(name)
            suppressed += [name] if dead else []
    share = 100 - 100 * len(wrong) / len(labels)
    print(f"{share:.1f} % of {len(labels)} right; wrongly dead: {suppressed}; wrong: {wrong}")
    assert share >= 95 and len(suppressed) <= 3


_DELAY = re.compile(rb"(?i)\A(?!.*\naction: failed).*(?:\naction: delayed|(?:has been|is) delayed)", re.DOTALL)


def _right(found: Feedback, mail: bytes, recipients: list[dict[str, str]]) -> bool:
    reasons = {one["reason"] for one in recipients}
    if reasons == {"vacation"} or b"\nFeedback-Type: auth-failure" in mail or _DELAY.search(mail):
        return found.kind is FeedbackKind.AUTOMATIC
    if reasons == {"feedback"}:
        return found.kind is FeedbackKind.COMPLAINT
    if found.kind is not FeedbackKind.BOUNCE:
        return False
    if reasons & {"filtered", "hostunknown"} or (reasons == {"suspend"} and recipients[0]["status"] == "5.2.1"):
        return True
    return (found.grade is Grade.HARD) == all(one["hard"] for one in recipients)
