"""Reading from the web: what comes back, and what no address, server or size may do."""

from __future__ import annotations

import gzip
import ssl
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import httpcore
import pytest

from digest.errors import UnavailableError
from digest.net.fetch import Network, RefusedByServerError, fetch, is_public
from digest.settings import FetchSettings
from tests.support.web_server import Page, WebServer

OPEN = FetchSettings(allow_private=True, max_bytes=4096, timeout_seconds=10)
CLOSED = OPEN.model_copy(update={"allow_private": False})
PUBLIC = "93.184.215.14"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as web:
        yield web


@dataclass
class Wire(httpcore.NetworkBackend):
    """A network where the public addresses are all at the test's server, and which keeps who was called."""

    port: int
    called: list[str] = field(default_factory=list)
    tls_names: list[str | None] = field(default_factory=list)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        self.called.append(host)
        return _Stream(self, httpcore.SyncBackend().connect_tcp("127.0.0.1", self.port, timeout))


@dataclass
class _Stream(httpcore.NetworkStream):
    wire: Wire
    inner: httpcore.NetworkStream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, timeout)

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        assert ssl_context.check_hostname and ssl_context.verify_mode is ssl.CERT_REQUIRED
        self.wire.tls_names.append(server_hostname)
        return self

    def get_extra_info(self, info: str) -> object:
        return self.inner.get_extra_info(info)


def test_a_document_comes_with_its_validators_and_then_not_again(web: WebServer) -> None:
    stamp = "Mon, 23 Nov 2026 05:00:00 GMT"
    web.pages["/f"] = Page(b"words", headers={"ETag": '"1"', "Last-Modified": stamp, "Content-Type": "text/xml"})
    first = fetch(web.url("/f"), OPEN)
    assert (first.status, first.body, first.content_type) == (200, b"words", "text/xml")
    again = fetch(web.url("/f"), OPEN, first.etag, first.last_modified)
    assert again.not_modified and again.body == b""
    assert web.asked[1].headers["if-modified-since"] == stamp
    assert "if-none-match" not in web.asked[0].headers


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"w" * 4000)),
        ("deflate", zlib.compress(b"w" * 4000)),
        ("deflate", zlib.compress(b"w" * 4000)[2:-4]),
    ],
    ids=["gzip", "deflate", "deflate without its frame"],
)
def test_compressed_documents_are_unpacked(web: WebServer, encoding: str, packed: bytes) -> None:
    web.pages["/f"] = Page(packed, headers={"Content-Encoding": encoding})
    assert fetch(web.url("/f"), OPEN).body == b"w" * 4000


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Page(b"w" * 5000), "larger than 4096"),
        (Page(gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"}), "larger than 4096"),
        (Page(gzip.compress(b"w" * 4000)[:-9], headers={"Content-Encoding": "gzip"}), "came broken"),
        (Page(b"not gzip at all", headers={"Content-Encoding": "gzip"}), "came broken"),
        (Page(b"x", headers={"Content-Encoding": "br"}), "encoding nobody asked for"),
        (Page(b"short", headers={"Content-Length": "900"}), "can't be read"),
        (Page(status=404), "404 Not Found"),
        (Page(status=302, headers={"Location": "/f"}), "more than 5 times"),
        (Page(status=302, headers={"Location": "file:///etc/passwd"}), "not a valid http"),
        (Page(status=302, headers={"Location": "http://user:secret@127.0.0.1/"}), "name or password"),
    ],
)
def test_what_a_server_may_do_wrong_is_said_in_a_line(web: WebServer, page: Page, told: str) -> None:
    web.pages["/f"] = page
    with pytest.raises(UnavailableError, match=told) as caught:
        fetch(web.url("/f"), OPEN)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "192.0.0.8",  # protocol assignments
        "192.0.0.192",  # where one cloud serves a machine's own data
        "192.88.99.1",  # 6to4 relay
        "168.63.129.16",  # Azure's own
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "::ffff:168.63.129.16",
        "64:ff9b::a83f:8110",
    ],
)
def test_what_clouds_and_networks_keep_for_themselves_is_not_public(address: str) -> None:
    assert not is_public(address)
    assert is_public("168.63.129.17") and is_public("192.0.1.1")


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "file:///etc/passwd", "http://", "//x", "http://[::1/", "http://a:b@x/"]
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(UnavailableError):
        fetch(url, OPEN)


def test_redirects_lead_to_the_document_and_its_address(web: WebServer) -> None:
    web.pages["/old"] = Page(status=301, headers={"Location": "new?a=1"})
    web.pages["/new?a=1"] = Page(b"here")
    fetched = fetch(web.url("/old"), OPEN)
    assert (fetched.body, fetched.url) == (b"here", web.url("/new?a=1"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "Mon, 23 Nov 2026 06:10:00 GMT", "Date": "Mon, 23 Nov 2026 06:00:00 GMT"}, 600),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_a_server_that_asks_for_patience_is_heard(web: WebServer, headers: dict[str, str], seconds: int | None) -> None:
    web.pages["/f"] = Page(status=503, headers=headers)
    with pytest.raises(RefusedByServerError) as caught:
        fetch(web.url("/f"), OPEN)
    assert (caught.value.status, caught.value.retry_after) == (503, seconds)


def test_one_deadline_holds_for_a_server_that_drips(web: WebServer) -> None:
    over = threading.Event()
    web.pages["/f"] = Page(b"w" * 4000, stall=lambda: over.wait(0.05))
    try:
        with pytest.raises(UnavailableError, match=r"longer than 0\.3 s"):
            fetch(web.url("/f"), OPEN.model_copy(update={"timeout_seconds": 0.3}))
    finally:
        over.set()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "203.0.113.5", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:93.184.215.14", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
        "2001:db8::1", "fec0::1", "nonsense",
    ],
)  # fmt: skip
def test_no_address_but_a_public_one_is_called(address: str) -> None:
    assert not is_public(address)
    wire = Wire(port=1)
    with pytest.raises(UnavailableError, match="not a public address"):
        fetch("http://news.example/f", CLOSED, network=Network(lambda host, port: [PUBLIC, address], wire))
    assert wire.called == []


def test_public_addresses_are_public() -> None:
    assert is_public(PUBLIC) and is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1"])
def test_loopback_in_any_disguise_is_refused_by_default(web: WebServer, host: str) -> None:
    with pytest.raises(UnavailableError):
        fetch(f"http://{host}:{web.port}/f", CLOSED)
    assert web.asked == []


def test_the_connection_goes_to_the_address_that_was_checked(web: WebServer) -> None:
    """DNS rebinding: the name is public when asked first and private ever after. It is asked once."""
    web.pages["/f"] = Page(b"words")
    wire, answers = Wire(web.port), iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    fetched = fetch("http://news.example/f", CLOSED, network=Network(lambda host, port: next(answers), wire))
    assert (fetched.body, wire.called) == (b"words", [PUBLIC])
    assert web.asked[0].headers["host"] == "news.example"
    with pytest.raises(UnavailableError, match="not a public address"):
        fetch("http://news.example/f", CLOSED, network=Network(lambda host, port: next(answers), wire))
    assert wire.called == [PUBLIC]


@pytest.mark.parametrize("target", ["http://10.0.0.1/admin", "http://inside.example/", "//[::ffff:10.0.0.1]/"])
def test_a_redirect_into_the_local_network_is_refused(web: WebServer, target: str) -> None:
    web.pages["/f"] = Page(status=302, headers={"Location": target})
    wire = Wire(web.port)
    names = {"news.example": PUBLIC, "inside.example": "192.168.0.1"}
    with pytest.raises(UnavailableError, match="not a public address"):
        fetch("http://news.example/f", CLOSED, network=Network(lambda host, port: [names.get(host, host)], wire))
    assert wire.called == [PUBLIC] and len(web.asked) == 1


def test_the_certificate_is_asked_for_by_name(web: WebServer) -> None:
    web.pages["/f"] = Page(b"words")
    wire = Wire(web.port)
    fetch("https://News.Example:8443/f", CLOSED, network=Network(lambda host, port: [PUBLIC], wire))
    assert (wire.tls_names, wire.called) == (["news.example"], [PUBLIC])
    assert web.asked[0].headers["host"] == "news.example:8443"


def test_the_next_address_is_tried_when_one_does_not_answer(web: WebServer) -> None:
    web.pages["/f"] = Page(b"words")
    network = Network(lambda host, port: ["127.0.0.2", "127.0.0.1"])  # nobody listens on the first
    assert fetch(f"http://news.example:{web.port}/f", OPEN, network=network).body == b"words"
    with pytest.raises(UnavailableError, match="has no address"):
        fetch("http://news.example/f", OPEN, network=Network(lambda host, port: []))
