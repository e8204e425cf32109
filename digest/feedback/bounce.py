"""What a mail that came back says (RFC 3464, RFC 5965, and what servers wrote before these): whose mail it was, and
whether the address is dead, full or in no fault, or its owner complains.

Whose mail it was is told by the signed token of the return path, and by nothing else: so an invented bounce names
nobody. The bytes are a stranger's: they are bounded in size and in parts, and nothing in them raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes, message_from_string
from email.message import Message
from enum import StrEnum
from itertools import islice

from digest.feedback import refusals
from digest.feedback.refusals import Grade
from digest.language import charsets
from digest.readers import tokens
from digest.readers.addresses import hidden
from digest.readers.tokens import Keys, ReaderToken

MAX_BYTES = 256 * 1024  # bytes looked at; what was sent with the mail stands behind what is said of it
_MOST_PARTS = 60  # parts and headers that make parts: nesting costs more the deeper it goes
_MOST_TOKENS = 50
_MOST_BLANKS = 4000  # lines: a report has a block behind each
_SAID = 300  # characters kept of what a server said
_PARTS = re.compile(rb"(?i)boundary\s*=|content-type\s*:")
_TOKEN = re.compile(r"(?i)(?:\bb\+|<)([0-9a-f]{30,63})(?:@|\.\d{14}@)")
_FOR_WHOM = ("X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To")
_SYSTEM = refusals.phrases(
    r"mailer ?daemon|post ?master|mail ?daemon|mail (?:delivery|administrator)|mdaemon|mail ?system",
    r"system administrator",
)
_FAILED = refusals.phrases(
    r"undeliver|not (?:be )?deliver|deliver\w*~fail|fail\w*~(?:deliver|mail|notice)|non ?deliver|unable to deliver",
    r"returned (?:mail|to sender|message)|returning (?:message|mail)|return message|message could not|bounce",
    r"(?:couldn t|can t|didn t|wasn t|could not|can ?not|did not|was not) (?:be )?(?:able to )?(?:deliver|reach|sen)",
    r"failure notice|mail failure|mail error|delivery (?:problem|error|status|failure)|rejected|\b55\d\b|\b50[0-4]\b",
)
_DELAYED = refusals.phrases(
    r"(?:has been|is) delayed|delivery delay|delayed mail|still being retried|keep trying|will retry|will be retried",
    r"will continue to (?:be )?tr|not yet been delivered|no action is required",
)
_COMPLAINS = frozenset({"abuse", "fraud", "virus", "opt-out", "opt-out-list", "miscategorized"})
_COPY = refusals.phrases(
    r"original message|unsent message|returned message|copy of (?:the|your|this)|message (?:headers?|text|body) follow",
    r"message follows|below this line",
)
_HEADER = ("received:", "return-path:", "message-id:")
_REFUSES = re.compile(r"\b5\d\d[ -]|\b5\.\d{1,3}\.\d")
_MOST_TOLD = 400, 600  # lines, and characters of each
_MOST_HEADER = 4000
_PART_HEADER = re.compile(rb"(?im)^content-[a-z-]+:[^\n]*(?:\n[ \t][^\n]*)*")
_MOST_LINES = 20
_MOST_WORDS = 8000
_MOST_BLOCKS = 100
_FEW_WORDS = 3
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError, AssertionError)


class FeedbackKind(StrEnum):
    """What a mail is to us."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    AUTOMATIC = "automatic"  # a program's, and nothing to act on: a delay, a receipt, somebody on holiday, not spam
    OTHER = "other"  # perhaps a person's


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one returned mail says. ``names`` is ``None`` when no token of ours stands in it; ``grade`` and ``status``
    are a bounce's; ``said`` what the server said, without addresses."""

    kind: FeedbackKind
    names: ReaderToken | None = None
    grade: Grade = Grade.SOFT
    status: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a mail says, without keys: ``tokens`` are what may name the mail that it is about, the surest first."""

    feedback: Feedback
    tokens: tuple[str, ...] = ()


def read(keys: Keys, mail: bytes) -> Feedback:
    """What ``mail`` says. Never raises."""
    return named(keys, judge(mail))


def named(keys: Keys, judged: Judged) -> Feedback:
    """What it says, of the mail that the first true token names."""
    names = (tokens.read_return_path(keys, token) for token in judged.tokens)
    return replace(judged.feedback, names=next(filter(None, names), None))


def judge(mail: bytes) -> Judged:
    """What ``mail`` says, to be read where there are no keys. Never raises."""
    start = mail[:MAX_BYTES]
    if not _is_bearable(start):
        return Judged(Feedback(FeedbackKind.OTHER))
    try:
        message = message_from_bytes(start)
        return Judged(_complaint(message) or _report(message) or _letter(message), _tokens(message, start))
    except _UNREADABLE:
        return Judged(Feedback(FeedbackKind.OTHER))


def _is_bearable(start: bytes) -> bool:
    """Whether the parser can be trusted with it: what it does with parts in parts, or with long parameters, grows with
    the square of their number."""
    long = any(len(found[0]) > _MOST_HEADER for found in _PART_HEADER.finditer(start))
    blanks = start.replace(b"\r", b"").count(b"\n\n")
    return not long and blanks <= _MOST_BLANKS and len(_PARTS.findall(start)) <= _MOST_PARTS


# ------------------------------------------------------------------------------------------- whose mail


def _tokens(message: Message, start: bytes) -> tuple[str, ...]:
    """By the address it was sent to, then by the copy of our mail in it: return path or Message-ID."""
    places = [header for name in _FOR_WHOM for header in _headers(message, name)]
    places += [start.decode("ascii", "replace"), *_texts(message)]
    seen = dict.fromkeys(found[1].lower() for place in places for found in _TOKEN.finditer(place))
    return tuple(islice(seen, _MOST_TOKENS))


# --------------------------------------------------------------------------------------------- complaint


def _complaint(message: Message) -> Feedback | None:
    """An abuse report (RFC 5965), or one in the form of before."""
    for part in message.walk():
        if part.get_content_type() == "message/feedback-report":
            fields = _fields(part)
            kind = next((one.get("feedback-type", "").strip().casefold() for one in fields if one), "")
            return Feedback(FeedbackKind.COMPLAINT if kind in _COMPLAINS else FeedbackKind.AUTOMATIC, said=kind[:_SAID])
    if _header(message, "Subject").strip().casefold().startswith("complaint about message from"):
        return Feedback(FeedbackKind.COMPLAINT, said="abuse")
    return None


# ------------------------------------------------------------------------------------------------ report


def _report(message: Message) -> Feedback | None:
    """A delivery status notification (RFC 3464), by its failed recipients."""
    blocks = [
        block
        for part in message.walk()
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}
        for block in _fields(part)
        if block.keys() & {"action", "status", "final-recipient"}
    ]
    if not blocks:
        return None
    failed = [block for block in blocks if _is_failed(block)]
    if not failed:
        return Feedback(FeedbackKind.AUTOMATIC)
    told = " ".join(_told(message)) if len(failed) == 1 else ""
    judged = [_judged(block, told) for block in failed]
    # Of several, to which the reader forwards their mail, the one that harms least: they may still read the others.
    grade, status, said = min(judged, key=lambda one: one[0].harm)
    return Feedback(FeedbackKind.BOUNCE, None, grade, status, _kept(said))


def _is_failed(block: dict[str, str]) -> bool:
    action = block.get("action", "").strip().casefold()
    return action.startswith("fail") if action else block.get("status", "").strip().startswith(("4", "5"))


def _judged(block: dict[str, str], told: str) -> tuple[Grade, str, str]:
    """A recipient's grade, status and the server's words. Where those are none, the notification's own count."""
    said = block.get("diagnostic-code", "").partition(";")[2] or block.get("diagnostic-code", "")
    status = _status([*refusals.statuses(block.get("status", "")), *refusals.statuses(said)])
    grade = refusals.grade(status, said)
    if len(said.split()) < _FEW_WORDS and grade is not Grade.BLOCKED:
        said = f"{said} {told}"
        grade = refusals.grade(status, said)
    if grade is Grade.HARD and not refusals.is_exact(status) and refusals.was_judged_by_content(told):
        grade = Grade.SOFT
    return grade, status, said


def _status(found: Sequence[str]) -> str:
    """The one that says most: what is the sender's fault, then what is exact."""
    faults = [one for one in found if one[1:3] == ".7"]
    exact = [one for one in found if not one.endswith(".0") and not one.startswith("2")]
    return next(iter([*faults, *exact, *found]), "")


# ------------------------------------------------------------------------------------------------ letter


def _letter(message: Message) -> Feedback:
    """What says in words alone that it could not be delivered; everything else is an automatic answer (RFC 3834) or
    somebody's letter."""
    subject, lines = _header(message, "Subject"), _before_copy(_told(message))
    text = refusals.words("\n".join([subject, *lines]), _MOST_WORDS)
    by_system = _SYSTEM.search(refusals.words(_header(message, "From"))) or message["X-Failed-Recipients"]
    by_system = bool(by_system) or _holds_copy(message)
    if by_system and _DELAYED.search(text):
        return Feedback(FeedbackKind.AUTOMATIC)
    if (by_system and _FAILED.search(text)) or _FAILED.match(refusals.words(subject)):
        grade, status, said = _judged_in_words(lines)
        return Feedback(FeedbackKind.BOUNCE, None, grade, status, _kept(said))
    submitted = _header(message, "Auto-Submitted").strip().casefold()
    answer = _header(message, "Precedence").casefold() in {"bulk", "junk", "auto_reply"} or message["X-Autoreply"]
    if by_system or answer or message["X-Auto-Response-Suppress"] or submitted not in {"", "no"}:
        return Feedback(FeedbackKind.AUTOMATIC)
    return Feedback(FeedbackKind.OTHER)


def _before_copy(told: Sequence[str]) -> list[str]:
    """The lines of what is told, up to where a copy of our mail begins."""
    most, length = _MOST_TOLD
    found = list[str]()
    for line in islice((line for text in told for line in text.splitlines()), most):
        short = line[:length]
        if short.casefold().startswith(_HEADER) or (found and _COPY.search(refusals.words(short))):
            break
        found.append(short)
    return found


def _judged_in_words(lines: Sequence[str]) -> tuple[Grade, str, str]:
    """By the lines in which a server refuses, each with the one that goes on with it: by the one that harms least. By
    all lines where none does."""
    refusing = [
        f"{line} {after}" if after.startswith((" ", "\t")) else line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if _REFUSES.search(line)
    ]
    judged = []
    for line in refusing[:_MOST_LINES] or ["\n".join(lines)]:
        status = _status(refusals.statuses(line))
        judged.append((refusals.grade(status, line), status, line))
    return min(judged, key=lambda one: one[0].harm)


def _holds_copy(message: Message) -> bool:
    return any(part.get_content_type() in {"message/rfc822", "text/rfc822-headers"} for part in message.walk())


# --------------------------------------------------------------------------------------------- its parts


def _headers(message: Message, name: str) -> list[str]:
    return [str(value) for value in message.get_all(name, [])]


def _header(message: Message, name: str) -> str:
    return next(iter(_headers(message, name)), "")


def _fields(part: Message) -> list[dict[str, str]]:
    """The blocks of fields that a report's part holds, their names in lower case."""
    inner = _inner(part) or [part]
    text = "\n\n".join(_decoded(one) for one in inner if one is part or not one.items())  # encoded, or ill-formed
    inner = [one for one in inner if one is not part]
    inner += [
        message_from_string(block) for block in re.split(r"\r?\n[ \t]*\r?\n", text.strip(), maxsplit=_MOST_BLOCKS)
    ]
    return [block for one in inner[:_MOST_BLOCKS] for block in _blocks(one)]


def _blocks(message: Message) -> Iterator[dict[str, str]]:
    """One, or several that nothing stands between."""
    block: dict[str, str] = {}
    for name, value in message.items():
        key = name.casefold()
        if key == "final-recipient" and key in block:
            yield block
            block = {}
        block.setdefault(key, " ".join(str(value).split()))
    yield block


def _told(message: Message) -> list[str]:
    """What is said in words, without what came with it."""
    return list(_texts(message, inside=False))


def _texts(message: Message, *, inside: bool = True) -> Iterator[str]:
    if message.get_content_maintype() == "text" or isinstance(message.get_payload(), str):
        yield _decoded(message)
    elif inside or message.get_content_maintype() == "multipart":
        for part in _inner(message):
            yield from _texts(part, inside=inside)


def _inner(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return charsets.decoded(payload, part.get_content_charset("utf-8"))


def _kept(said: str) -> str:
    return hidden(" ".join(said.split())[: 2 * _SAID])[:_SAID]
