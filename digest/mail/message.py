"""MIME and headers: whatever comes in, what goes out is one well-formed message and nobody else's.

Headlines, names and addresses are strangers' text. Each passes through ``header_text`` or ``address`` here, and a
finished header block is parsed again: the names read back must be the names written.
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from collections.abc import Sequence
from datetime import datetime
from email import policy
from email.header import Header
from email.parser import BytesHeaderParser
from email.utils import format_datetime, quote

import idna

from digest.errors import InputError
from digest.language.text import header_line, shorten
from digest.values import Edition

_NOT_IN_ADDRESS = re.compile(r"[\s<>,;:\"\\()\[\]\x00-\x20\x7f-\x9f]")
_LINE_END = re.compile("\r\n|\r|\n")
_LINE = 76
_NAME = 120  # characters of a display name; nobody reads on
_SUBJECT = 200


def clean(text: str) -> str:
    """``text`` fit for a header: one line, no control or direction characters, nothing that reads as an encoded word
    (RFC 2047), so that no decoder finds a line end in it."""
    line = header_line(text)
    while "=?" in line:
        line = line.replace("=?", "= ?")
    return line


def header_text(text: str, name: str = "Subject") -> str:
    """``text`` as the value of the unstructured header ``name``: cleaned, clipped, RFC 2047 where it isn't ASCII,
    folded so that no line passes 76 characters (RFC 2047 2)."""
    line = shorten(clean(text), _SUBJECT)
    words = line.split(" ")
    if not line.isascii() or any(len(word) > _LINE - len(name) - 2 for word in words):
        return _encoded(line, len(name) + 2)
    return _folded(words, len(name) + 2)


def _folded(words: Sequence[str], column: int) -> str:
    out: list[str] = []
    for word in words:
        if out and column + 1 + len(word) > _LINE:
            out.append("\r\n " + word)
            column = 1 + len(word)
        else:
            out.append((" " if out else "") + word)
            column += len(out[-1])
    return "".join(out)


def _encoded(line: str, column: int) -> str:
    return Header(line, "utf-8", maxlinelen=_LINE, header_name="x" * (column - 2)).encode(linesep="\r\n")


def wire_address(address: str) -> str:
    """``address`` as it goes on the wire: the domain as its A-label (RFC 5891), the local part as it is.

    Raises ``InputError`` for what can't stand in a header or an SMTP command.
    """
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or _NOT_IN_ADDRESS.search(address):
        raise InputError(f"{address!r} is not a mail address", "it should look like name@example.org")
    if domain.isascii():
        return address
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError as error:
        raise InputError(f"the domain of {address!r} can't exist ({error})", "check its spelling") from None


def needs_smtputf8(address: str) -> bool:
    """Whether only a server with SMTPUTF8 (RFC 6531) can take mail for ``address``: its local part isn't ASCII. A
    domain alone never needs it, see ``wire_address``."""
    return not address.rpartition("@")[0].isascii()


def address(name: str, addr: str, header: str = "To") -> str:
    """A mailbox as the value of an address header (RFC 5322 3.4). A short ASCII name is quoted, never folded inside
    its quotes; any other becomes encoded words, which stay one phrase wherever they are folded."""
    return mailbox(name, wire_address(addr), header)


def mailbox(name: str, target: str, header: str = "To") -> str:
    """As ``address``, of a ``target`` that ``wire_address`` has made already."""
    phrase = _phrase(name, header)
    return f"{phrase}<{target}>" if phrase else target


def list_id(edition: Edition, domain: str) -> str:
    """The value of List-Id (RFC 2919): stable as long as the edition keeps its name."""
    label = re.sub(r"[^a-z0-9]+", "-", edition.name.lower()).strip("-") or "digest"
    return f"{_phrase(edition.title, 'List-Id')}<{label}.{domain}>"


def _phrase(name: str, header: str) -> str:
    shown = shorten(clean(name), _NAME)
    if not shown:
        return ""
    phrase = f'"{quote(shown)}"'
    if not phrase.isascii() or len(header) + 2 + len(phrase) > _LINE:
        phrase = _encoded(shown, len(header) + 2)
    return phrase + ("\r\n " if len(phrase) > _LINE // 2 else " ")


def header_block(headers: Sequence[tuple[str, str]]) -> str:
    """The lines of ``headers``, whose values are encoded already, checked by parsing them again: raises ``ValueError``
    when what a parser reads isn't what was meant, or a line passes 998 bytes (RFC 5322 2.1.1)."""
    block = "".join(f"{name}: {value}\r\n" for name, value in headers)
    read = BytesHeaderParser(policy=policy.default).parsebytes(block.encode())
    if read.keys() != [name for name, _ in headers]:
        raise ValueError(f"these headers would be read as {read.keys()}")
    if any(len(line.encode()) > 998 for line in block.split("\r\n")):
        raise ValueError("a header line is longer than 998 bytes")
    return block


def quoted_printable(text: str) -> str:
    """``text`` in quoted-printable UTF-8 (RFC 2045 6.7) with CRLF and lines of at most 76 characters, none of which
    begins with a dot: nothing is left for SMTP to stuff (RFC 5321 4.5.2)."""
    return "\r\n".join(
        _undotted(encoded)
        for line in _LINE_END.split(text)
        for encoded in b2a_qp(line.encode("utf-8", "replace"), istext=False).decode("ascii").split("\n")
    )


def _undotted(encoded: str) -> str:
    """One line of quoted-printable, its leading dot encoded; broken softly where that makes it too long."""
    if not encoded.startswith("."):
        return encoded
    if len(encoded) + 2 <= _LINE:
        return "=2E" + encoded[1:]
    return "=2E=\r\n" + _undotted(encoded[1:])


def part_header(kind: str, encoding: str) -> str:
    """The header of one alternative, with the empty line after it."""
    flowed = "; format=flowed" if kind == "plain" else ""  # RFC 3676
    return f"Content-Type: text/{kind}; charset=utf-8{flowed}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"


def plain(
    sender: tuple[str, str],
    recipient: tuple[str, str],
    subject: str,
    text: str,
    html: str,
    message_id: str,
    now: datetime,
    reply_to: tuple[str, str] | None = None,
) -> bytes:
    """A single mail of a few paragraphs, such as a confirmation, as CRLF bytes. ``sender``, ``recipient`` and
    ``reply_to`` are ``(display name, address)``; ``message_id`` is ``left@right``."""
    boundary = "=_" + re.sub(r"[^A-Za-z0-9]", "", message_id)[:40]
    headers = [
        ("From", address(*sender, "From")),
        ("To", address(*recipient)),
        *([("Reply-To", address(*reply_to, "Reply-To"))] if reply_to else []),
        ("Subject", header_text(subject)),
        ("Date", format_datetime(now)),
        ("Message-ID", f"<{message_id}>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
    ]
    parts = "".join(
        f"--{boundary}\r\n{part_header(kind, 'quoted-printable')}{quoted_printable(body)}\r\n"
        for kind, body in (("plain", text), ("html", html))
    )
    return f"{header_block(headers)}\r\n{parts}--{boundary}--\r\n".encode()
