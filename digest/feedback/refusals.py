"""What a refusal says of the address, by its enhanced status code (RFC 3463) and its words.

Servers use codes freely, and 5.0.0 says nothing: so words count too, and where both could be meant, it is the reading
that harms no reader. A refusal for what the sender is or wrote says nothing of the address at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_WORD = re.compile(r"[^\W_]+")
_MOST = 2000  # characters of a refusal that are looked at


class Grade(StrEnum):
    """What a refusal says of the address."""

    HARD = "hard"  # it is dead for good
    SOFT = "soft"  # it takes no mail now: full, suspended, out of reach
    UNCLEAR = "unclear"  # refused, and nobody knows why
    BLOCKED = "blocked"  # the sender or the mail was refused: the address may be as well as any

    @property
    def harm(self) -> int:
        """What acting on it takes from the reader: of several grades, the one with the least harm counts."""
        return _HARM[self]


_HARM = {Grade.BLOCKED: 0, Grade.UNCLEAR: 1, Grade.SOFT: 2, Grade.HARD: 3}


def phrases(*those: str) -> re.Pattern[str]:
    """Any of these in what ``words`` makes of a text; ``~`` stands for up to three words between two."""
    return re.compile("|".join(those).replace("~", r"(?: \w+){0,3}? "))


def words(text: str, most: int = _MOST) -> str:
    """The words of a text in lower case, a blank between each two: what phrases are looked for in."""
    return " ".join(_WORD.findall(text[: 4 * most].casefold()))[:most]


_OF_US = phrases(  # whatever else is said, and whatever the code
    r"accept\w*~(?:e ?)?(?:mails?|messages?|connections?) from|(?:e ?)?(?:mails?|messages?) from(?: \w+){1,8}? refused",
    r"your (?:host\w*|ip|domain)|return path|sender (?:address|verif)|refused to talk to me|no smtp service",
    r"problem occurred ask your postmaster",
)
_NAMED_IP = re.compile(r"[\w-]{1,63}\.[\w-]{1,63}\.? ?\[[0-9a-fA-F.:]{3,45}\]")  # of the server that was asked
_AN_IP = re.compile(
    r"(?i)(?<![\w.\[-])\[?(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)|(?<![\w.])\[(?:ipv6:)?[0-9a-f]{0,4}:[0-9a-f:]{2,40}\]"
)
_SENDER_AT_FAULT = phrases(
    r"\bspam|\b(?:black|block|deny) ?list|\brbl\b|\bdnsbl\b|reputation",
    r"\bdmarc\b|\bspf\b|\bdkim\b|authenticat",
    r"reverse dns|\bptr\b|\brdns\b|(?:reverse|ip) name|\b[he][eh]lo\b|host ?name~(?:resolve|lookup|invalid)",
    r"\bpolic(?:y|ies)\b|virus|malware|attachment|content (?:reject|not|block|filter)",
    r"relay(?:ing)?~(?:denied|not|prohib|access|reject|disallow)|(?:unable to|not|no|cannot|can t) relay",
    r"sender~(?:reject|denied|not|invalid|unknown|verif|block|refus|exist)|(?:bad|invalid|unknown) sender",
    r"from address|from header|invalid from",
    r"too many|rate limit|rate that|throttl|too fast|exceed\w*~(?:rate|connection|hourly|daily|limit|number)",
    r"(?:message|mail)~too (?:big|large|long)|size limit|maximum (?:message )?size|exceed\w*~size|file size",
    r"rfc ?(?:5321|5322|2822|822|821|6409)|non compliant|not accepted for~reason",
    r"\bblocked\b|\bbanned\b|access denied|not (?:authori[sz]ed|permitted|allowed)|prohibit",
    r"\b(?:ip|client|host)~(?:reject|refuse|denied|block)",
)
_FULL = phrases(
    r"(?:mailbox|inbox|account|user|recipient|maildir|disk|storage|folder)~(?:is full|full\b|over ?quota)",
    r"\bover(?: \w+)? quota|quota~(?:exceed|full|reach)|exceed\w*~(?:quota|storage|space|local limit)",
    r"(?:insufficient|out of|not enough|no more|low on)~(?:storage|space|quota)",
    r"too much mail|storage limit|mailbox size",
)
_OWNER = "(?:user|recipient|mailbox|address|account|alias|person|member|addressee)"
_UNKNOWN = phrases(
    _OWNER + r"~(?:unknown|not found|does not exist|doesn t exist|not exist|invalid|unrecogni)",
    _OWNER + r"~not (?:a )?(?:valid|known|recogni|listed)",
    _OWNER + r"~(?:could not|couldn t|wasn t|can t|cannot) (?:be )?found",
    _OWNER + r"~no longer (?:exist|valid|available|in use|on server|active)",
    r"\b(?:unknown|invalid|no such|non ?existent|illegal|undefined|unrecogni[sz]ed|not a valid)~"
    r"(?:user|recipient|mailbox|address|account|alias|local|person|username|addressee)",
    r"\bno (?:such )?(?:user|mailbox|account|recipient|person|address)\b|not a known user|not our customer",
    r"\bno longer (?:with|works|employed)",
    r"(?:doesn t|does not|don t|do not) have(?: an?)?(?: \w+){0,5}? (?:account|mailbox)",
    r"user not local|not a local|no mailbox here|isn t a (?:valid|user)",
    r"account (?:has been )?(?:deleted|closed|removed|terminated|discontinued)",
    r"(?:has|have) (?:moved|left)|recipient~moved|new address",
    r"destination~(?:address|mailbox)~(?:invalid|unknown|not)|unroute?able (?:mail )?address",
    r"bad destination~(?:mailbox|address)",
    r"null mx|does not accept (?:any )?(?:e ?)?mail|does not receive mail|domain~not accept",
)
_NO_DOMAIN = phrases(
    r"(?:domain|host|hostname)~(?:not found|unknown|does not exist|doesn t exist|not exist|invalid)",
    r"no such (?:domain|host)|unknown (?:host|domain)|name or service not known|nxdomain|no mx\b",
    r"unroute?able (?:mail )?domain|bad destination~(?:system|host)",
)
_LOOKED_UP = phrases(r"\bdns\b|name serv|\blook ?up\b|nxdomain")  # by who sends; who is asked means the sender's domain
_RESTING = phrases(
    r"suspend|temporar|inactive|\blocked\b|on hold|gr[ea]y ?list|deactivat|dormant|not (?:yet )?active|expired",
    r"(?:account|user|mailbox)~unavailable|time ?out|timed out|try (?:again|later)|retry|name server reply",
)
_AT_THE_EDGE = phrases("recipient address rejected access denied")  # Exchange Online of addresses that it has not got
_AFTER_ALL = phrases(r"end of data|reply to data|after data|after end of|data command|data 55[04]")
_NO_SUCH_ADDRESS = re.compile(r"5\.1\.(?:[1236]|10|351)")
_NO_SUCH_READER = frozenset({"5.1.1", "5.1.10"})  # the others may be what our own name server failed to find
_SAYS_NOTHING = re.compile(r"|[45]\.0\.0")
_LATER = re.compile(r"4\d\d\b")
_OF_THE_WAY = re.compile(r"[45]\.4\.\d+")
_OF_THE_SENDER = re.compile(r"[45]\.7\.\d+|5\.1\.[78]|5\.3\.4|5\.2\.3|5\.6\.\d+")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def statuses(text: str) -> list[str]:
    """The enhanced status codes that stand in ``text``."""
    return _STATUS.findall(text)


def is_exact(status: str) -> bool:
    """Whether this code says by itself that there is no such address."""
    return bool(_NO_SUCH_ADDRESS.fullmatch(status))


def was_judged_by_content(text: str) -> bool:
    """Whether the refusal came after the mail had been seen: it may then be of the mail, whatever it says."""
    return bool(_AFTER_ALL.search(words(text)))


def grade(status: str, said: str) -> Grade:
    """What a refusal says. ``status`` may be "": then the words alone count."""
    text = words(said)
    unknown = bool(_UNKNOWN.search(text))
    if _OF_THE_SENDER.fullmatch(status) or _OF_US.search(text):
        return Grade.BLOCKED
    if status[2:] == "2.2" or _FULL.search(text):
        return Grade.SOFT
    if _names_an_ip(said) and not (is_exact(status) and unknown) and not _OF_THE_WAY.fullmatch(status):
        return Grade.BLOCKED
    if _NO_DOMAIN.search(text) and status not in _NO_SUCH_READER:
        return Grade.SOFT if _LOOKED_UP.search(text) or not _SAYS_NOTHING.fullmatch(status) else Grade.BLOCKED
    if is_exact(status) and (unknown or not _SENDER_AT_FAULT.search(text)):
        return Grade.HARD
    if status == "5.4.1" and _AT_THE_EDGE.search(text):
        return Grade.HARD
    if _SENDER_AT_FAULT.search(text):
        return Grade.BLOCKED
    if status.startswith("4") or _RESTING.search(text) or _AFTER_ALL.search(text):
        return Grade.SOFT
    if unknown or status == "5.2.1":
        return Grade.HARD
    if status.startswith("5.5."):
        return Grade.BLOCKED
    return Grade.UNCLEAR if _SAYS_NOTHING.fullmatch(status) and not _LATER.match(text) else Grade.SOFT


def _names_an_ip(said: str) -> bool:
    """Whether a reason does so, and not a whole notification, which tells by what way the mail went."""
    reason = said[: 4 * _MOST].strip()
    return "\n" not in reason and bool(_AN_IP.search(_NAMED_IP.sub("", reason)))


# ---------------------------------------------------------------------------------------- over several issues

_SILENCE = timedelta(days=5)  # servers give up and tell so within this (RFC 5321 4.5.4.1)


@dataclass(frozen=True, slots=True)
class Past:
    """What became of one issue for one address: taken (``grade`` ``None``) or refused, last changed ``at``."""

    slot: datetime
    grade: Grade | None
    at: datetime


def is_worn_out(pasts: Iterable[Past], times: int, spread: timedelta, now: datetime) -> bool:
    """Whether an address is to be given up after soft bounces: the latest ``times`` in a row, over ``spread`` at least.
    ``pasts`` are the newest first. One that was taken and did not come back ends the row, when it has had its time to;
    a refusal for the sender's sake says nothing, nor does one without a reason."""
    slots = []
    for past in pasts:
        if past.grade is None and now - past.at >= _SILENCE:
            break
        if past.grade in {Grade.SOFT, Grade.HARD}:
            slots.append(past.slot)
    return len(slots) >= times and slots[0] - slots[-1] >= spread
