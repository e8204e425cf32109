"""Two other MIME parsers read every mail of the matrix just as the standard library does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest

from tests.judge.mails import READER, Mail, matrix
from tests.judge.report import note
from tests.judge.tools import module, node

pytestmark = pytest.mark.judge
HEADERS = (
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-owner",
    "precedence",
    "feedback-id",
)
_READ = """
const fs = require('fs'), people = found => [found ?? []].flat().map(({name, address}) => [name || '', address]);
const plain = text => text.replace(/\\r\\n/g, '\\n').trimEnd();
const readers = {
  mailparser: async bytes => {
    const mail = await require('mailparser').simpleParser(bytes, {skipTextToHtml: true, skipHtmlToText: true});
    const lines = mail.headerLines.map(({key, line}) => [key, line.slice(line.indexOf(':') + 1)]);
    return {...mail, from: mail.from.value, to: mail.to.value, replyTo: mail.replyTo?.value, lines};
  },
  'postal-mime': async bytes => {
    const mail = await (require('postal-mime').default ?? require('postal-mime')).parse(bytes);
    return {...mail, lines: mail.headers.map(({key, value}) => [key, value])};
  },
};
(async () => console.log(JSON.stringify(await Promise.all(process.argv.slice(2).map(async file => {
  const mail = await readers[process.argv[1]](fs.readFileSync(file));
  return {subject: mail.subject, from: people(mail.from), to: people(mail.to), reply_to: people(mail.replyTo),
    text: plain(mail.text), html: plain(mail.html), files: mail.attachments.length,
    headers: Object.fromEntries(mail.lines.map(([key, value]) => [key, value.replace(/\\s+/g, ' ').trim()]))};
})))))();
"""


@pytest.mark.parametrize("parser", ["mailparser", "postal-mime"])
def test_all_parsers_read_the_same(parser: str, tmp_path: Path) -> None:
    module(parser)
    mails = list(matrix())
    files = [tmp_path / f"{number}.eml" for number in range(len(mails))]
    for file, one in zip(files, mails, strict=True):
        file.write_bytes(one.message)
    for one, read in zip(mails, node(_READ, parser, *files), strict=True):
        read["headers"] = {key: _decoded(value) for key, value in read["headers"].items()}
        assert read == _by_python(one, read["headers"]), one.name
        note(f"parts and headers that {parser} reads otherwise", one.name, len(read) + len(HEADERS), 0, "<= 0")


def _by_python(one: Mail, theirs: dict[str, str]) -> dict[str, Any]:
    """What the standard library reads; of the headers only those that lists have, which must all be there."""
    read = message_from_bytes(one.message, policy=policy.default)
    if "confirmation" not in one.name:
        assert set(HEADERS) <= theirs.keys()
        assert theirs["list-unsubscribe"].startswith("<https://")
    assert [address.addr_spec for address in read["To"].addresses] == [READER.address]
    return {
        "subject": str(read["Subject"]),
        "from": _people(read["From"].addresses),
        "to": _people(read["To"].addresses),
        "reply_to": _people(read["Reply-To"].addresses),
        "text": _unflowed(one.text).rstrip(),
        "html": one.html.rstrip(),
        "files": 0,
        "headers": theirs | {key: " ".join(str(read[key]).split()) for key in HEADERS if read[key]},
    }


def _unflowed(text: str) -> str:
    """Paragraphs as format=flowed means them (RFC 3676), which the standard library leaves to whoever asks."""
    return re.sub("^ ", "", re.sub(r" \n(?!-- \n)", " ", text), flags=re.MULTILINE)


def _decoded(value: str) -> str:
    """A parser may leave encoded words to whoever asks."""
    return " ".join(str(make_header(decode_header(value))).split())


def _people(addresses: Sequence[Address]) -> list[list[str]]:
    return [[address.display_name, address.addr_spec] for address in addresses]
