"""Documents made to cost their reader minutes or gigabytes, each a few hundred kilobytes or, compressed, far less."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

KB, MB = 1000, 1_000_000


def rss(inside: str | bytes, encoding: str = "utf-8") -> bytes:
    body = inside.encode() if isinstance(inside, str) else inside
    head = f'<?xml version="1.0" encoding="{encoding}"?><rss version="2.0"><channel><title>T</title>'
    return head.encode() + body + b"</channel></rss>"


def entry(inside: str) -> bytes:
    return rss(f"<item><title>T</title><link>https://x.example/1</link>{inside}</item>")


def _attributes(count: int) -> str:
    return " ".join(f'a{number}="{number}"' for number in range(count))


def _entities(levels: int) -> bytes:
    defined = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, levels))
    bomb = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY e0 "boom">{defined}]>'
    return bomb.encode() + b"<rss><channel><item><title>&e%d;</title></item></channel></rss>" % (levels - 1)


def mail(headers: str, body: bytes | str = b"") -> bytes:
    text = body.encode() if isinstance(body, str) else body
    return b"From: MAILER-DAEMON@x.example\r\nSubject: Undelivered\r\n" + headers.encode() + b"\r\n\r\n" + text


def _parts(count: int, nested: bool) -> bytes:
    if nested:
        opened = "".join(f'--b{n}\r\nContent-Type: multipart/mixed; boundary="b{n + 1}"\r\n\r\n' for n in range(count))
        return mail('Content-Type: multipart/mixed; boundary="b0"', opened)
    return mail('Content-Type: multipart/mixed; boundary="b"', "--b\r\n\r\nx\r\n" * count)


def _json_feed(items: str) -> bytes:
    return b'{"version":"https://jsonfeed.org/version/1.1","title":"T","items":' + items.encode() + b"}"


FEEDS: dict[str, Callable[[], bytes]] = {
    "60,000 attributes": lambda: rss(f"<item {_attributes(60_000)}><title>T</title></item>"),
    "1.2 MB of namespaces": lambda: rss(
        "<item " + " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(50_000)) + "/>"
    ),
    "namespaces, one an entry": lambda: rss("".join(f'<item xmlns:n{n}="urn:{n}"/>' for n in range(4_900))),
    "punycode": lambda: rss("<item><title>" + "a" * 500_000 + "</title></item>", "punycode"),
    "utf-7": lambda: rss("<item><title>+ADw-b+AD4-</title></item>", "utf-7"),
    "unicode_escape": lambda: rss("<item><title>" + r"\N{DIGIT ONE}" * 40_000 + "</title></item>", "unicode_escape"),
    "1.3 million unclosed <a>": lambda: rss("<item><title>T</title><description>" + "<a>" * 1_300_000),
    "570,000 <item/>": lambda: rss("<item/>" * 570_000),
    "500,000 <entry/> with a prefix": lambda: rss("<a:entry/>" * 390_000),
    "depth 100,000": lambda: entry("<x>" * 100_000 + "</x>" * 100_000),
    "3 million <": lambda: entry("<" * 3_000_000),
    "attributes that never end": lambda: entry("<x " + 'a="' * 600_000),
    "entities declared": lambda: b"<!DOCTYPE rss [" + b'<!ENTITY a "b">' * 200_000 + b"]>" + rss("<item/>"),
    "JSON, depth 100,000": lambda: _json_feed("[" * 100_000),
    "JSON, an integer of 1 MB": lambda: _json_feed('[{"id":' + "9" * MB + "}]"),
    "JSON, 400,000 items": lambda: _json_feed("[" + ",".join(["{}"] * 400_000) + "]"),
    "JSON, keys that are floods": lambda: _json_feed(json.dumps([{f"k{n}": n for n in range(150_000)}]) + "x"),
}
"""What no feed is."""

STRANGE: dict[str, Callable[[], bytes]] = {
    "entity bomb": lambda: _entities(12),
    "a date of 1 MB": lambda: entry("<pubDate>" + "1" * MB + "</pubDate>"),
    "a date of 1 MB with colons": lambda: entry("<pubDate>" + "1:" * 500_000 + "</pubDate>"),
    "a title of 3 MB": lambda: entry("<description>" + "x &lt;" * 500_000 + "</description>"),
    "open tags in a title": lambda: entry("<description><![CDATA[" + "<b <i " * 500_000 + "]]></description>"),
    "an address of 1 MB": lambda: entry("<guid>http://" + "a." * 500_000 + "</guid>"),
    "categories": lambda: entry("<category>x</category>" * 100_000),
    "pictures": lambda: entry("<enclosure url='https://x.example/a.png' type='image/png'/>" * 50_000),
    "an opening tag without end": lambda: rss("<item " + "a" * 3_000_000),
    "half a CDATA section, often": lambda: entry("<![CDATA[" * 300_000),
    "half a comment, often": lambda: entry("<!--" * 700_000),
    "processing instructions": lambda: entry("<?x " * 700_000),
    "base64 that is none": lambda: entry("<content mode='base64' type='x'>" + "A=" * 500_000 + "</content>"),
}
"""What is read, at its cost, or found at fault."""

PAGES: dict[str, Callable[[], bytes]] = {
    "700,000 a<br>": lambda: b"<html><title>T</title><p>" + b"a<br>" * 700_000,
    "100,000 attributes": lambda: f"<html><title>T</title><p {_attributes(100_000)}>".encode(),
    "1 million open <div>": lambda: b"<html>" + b"<div>" * 790_000,
    "1 million open <a>": lambda: b"<html>" + b"<a>" * MB,
    "a table in a table": lambda: b"<html>" + b"<table><tr><td>" * 200_000,
}

MAILS: dict[str, Callable[[], bytes]] = {
    "punycode, 256 KB": lambda: mail("Content-Type: text/plain; charset=punycode", "a" * 256 * KB),
    "parts in parts": lambda: _parts(1000, nested=True),
    "parts": lambda: _parts(30_000, nested=False),
    "continued parameters": lambda: mail(
        "Content-Type: text/plain; " + "".join(f"\r\n x*{n}*=a;" for n in range(20_000)), "b"
    ),
    "a header of 250 KB": lambda: mail("X-A: " + "b" * 250 * KB, "c"),
    "60,000 headers": lambda: mail("\r\n".join(["A: b"] * 40_000), "c"),
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?a?= " * 18_000 + b"\r\n\r\nb",
    "To with 80,000 brackets": lambda: b"To: " + b"(" * 80_000 + b"<" * 80_000 + b"\r\n\r\nb",
    "quoted-printable": lambda: mail("Content-Transfer-Encoding: quoted-printable", "=\r\n" * 80_000),
    "base64 of nothing": lambda: mail("Content-Transfer-Encoding: base64", "=" * 250 * KB),
    "base64 of base64": lambda: mail("Content-Transfer-Encoding: base64", base64.b64encode(b"A=" * 90_000)),
    "uuencode": lambda: mail("Content-Transfer-Encoding: x-uuencode", "begin 644 a\r\n" + "M\r\n" * 80_000),
    "report blocks": lambda: mail(
        'Content-Type: multipart/report; boundary="b"',
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n" + "Action: failed\r\n\r\n" * 13_000,
    ),
    "tokens": lambda: mail("Content-Type: text/plain", "b+" + "a1" * 20 + "@x\r\n" + "b+" * 120_000),
}
