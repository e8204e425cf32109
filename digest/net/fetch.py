"""Reads one document from the web without letting its address, its server or its size do harm.

The name of a server is resolved here, once per hop; every address it has must be a public one, and the connection goes
to the very address that was checked. So a name that later points elsewhere (DNS rebinding), a redirect into the local
network or an address in disguise (IPv4 inside IPv6) leads nowhere. Sizes are capped after decompression, and one
deadline holds for everything, however slowly a server drips.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SocketKind, gaierror, getaddrinfo

import httpcore
import httpx

from digest.errors import UnavailableError
from digest.settings import FetchSettings

REDIRECTS = 5
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_CHUNK = 65_536
_ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.8"
_GLOBAL_V6 = IPv6Network("2000::/3")  # the only block IANA hands out; leaves out NAT64 and all special ranges
_TUNNELS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))  # Teredo and 6to4: IPv4 in disguise
_DOCUMENTATION = IPv6Network("3fff::/20")
# What Python takes for public, and is not: protocol assignments (RFC 6890), 6to4 relays (RFC 7526), where Azure and
# others serve a machine's own data. Those at 169.254.169.254, 100.100.100.200 and fd00:ec2::254 are in private ranges.
_NOT_PUBLIC = tuple(
    map(
        IPv4Network,
        ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"),
    )
)

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered, redirects followed: ``url`` is where the document was in the end. ``retry_after`` in
    seconds, where the server asks to be left alone so long."""

    status: int
    body: bytes
    content_type: str
    etag: str
    last_modified: str
    url: str
    retry_after: int | None = None

    @property
    def not_modified(self) -> bool:
        return self.status == httpx.codes.NOT_MODIFIED


class RefusedByServerError(UnavailableError):
    """The server answered, but not with the document: ``status`` is an HTTP status other than 2xx and 304."""

    def __init__(self, message: str, status: int, retry_after: int | None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of ``host`` as the system knows them, the preferred one first."""
    return [str(info[4][0]) for info in getaddrinfo(host, port, type=SocketKind.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Network:
    """How names are resolved and connections made; tests put others in their place."""

    resolve: Resolve = system_resolve
    backend: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)


def fetch(
    url: str, settings: FetchSettings, etag: str = "", last_modified: str = "", network: Network | None = None
) -> Fetched:
    """The document at ``url``; given ``etag`` or ``last_modified`` of an earlier answer, a status of 304 and no body
    if it has not changed since (RFC 9110, section 13).

    Raises ``UnavailableError`` with one clear line for whatever goes wrong, ``RefusedByServerError`` for an answer
    that is not 2xx or 304.
    """
    deadline = time.monotonic() + settings.timeout_seconds
    backend = _Guarded(network or Network(), settings.allow_private, deadline)
    headers = {
        "User-Agent": settings.user_agent,
        "Accept": _ACCEPT,
        "Accept-Encoding": "gzip, deflate",
        "If-None-Match": etag,
        "If-Modified-Since": last_modified,
    }
    try:
        return _followed(url, {name: value for name, value in headers.items() if value}, settings, backend)
    except httpcore.TimeoutException:
        raise UnavailableError(f"{url} took longer than {settings.timeout_seconds:g} s") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
        raise UnavailableError(f"{url} can't be read ({str(error) or type(error).__name__})") from error


def _followed(url: str, headers: Mapping[str, str], settings: FetchSettings, backend: _Guarded) -> Fetched:
    target = _checked(url, None)
    for _ in range(REDIRECTS + 1):
        with (
            httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend) as pool,
            pool.stream("GET", _for_httpcore(target), headers=_named(headers, target)) as response,
        ):
            answered = httpx.Headers(response.headers)
            if response.status not in _REDIRECTING or "location" not in answered:
                return _answer(response, answered, str(target), settings.max_bytes)
        target = _checked(answered["location"], target)
    raise UnavailableError(f"{url} redirects more than {REDIRECTS} times")


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _checked(url: str, base: httpx.URL | None) -> httpx.URL:
    """``url`` as one we may go to, as far as can be told before its name is resolved."""
    try:
        target = base.join(url) if base else httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnavailableError(f"{url} is not a valid address ({error})") from None
    if target.scheme not in {"http", "https"} or not target.host:
        raise UnavailableError(f"{url} is not a valid http(s) address")
    if target.userinfo:
        raise UnavailableError(f"the address at {target.host} holds a name or password", "give it without")
    return target


def _for_httpcore(target: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)


def _named(headers: Mapping[str, str], target: httpx.URL) -> list[tuple[bytes, bytes]]:
    encoded = ((name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items())
    return [(b"Host", target.netloc), *encoded]


# ----------------------------------------------------------------------------------------- the connection


def is_public(address: str) -> bool:
    """Whether an IP address is of the public internet, and not an IPv4 address in an IPv6 coat."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        odd = ip in _DOCUMENTATION or any(ip in tunnel for tunnel in _TUNNELS)
        return ip in _GLOBAL_V6 and ip.is_global and not odd
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


class _Guarded(httpcore.NetworkBackend):
    """Connects to addresses it has checked, and to no others; nothing it opens outlives the deadline."""

    def __init__(self, network: Network, allow_private: bool, deadline: float) -> None:
        self._network = network
        self._allow_private = allow_private
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # the deadline holds instead
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._addresses(host, port)
        for number, address in enumerate(addresses, 1):
            share = _left(self._deadline) / (len(addresses) - number + 1)
            try:
                stream = self._network.backend.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _Timed(stream, self._deadline)
        raise UnavailableError(f"{host} has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = list(dict.fromkeys(self._network.resolve(host, port)))
        except (gaierror, UnicodeError) as error:
            raise UnavailableError(f"{host} is not known ({error})", "check the address and the name server") from None
        for address in () if self._allow_private else addresses:
            if not is_public(address):
                what = host if host.strip("[]") == address else f"{host} is at {address}, which"
                where = "in digest.toml permits it; then restart the workers"
                raise UnavailableError(f"{what} is not a public address", f"allow_private = true under [fetch] {where}")
        return addresses


class _Timed(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


# --------------------------------------------------------------------------------------------- the answer


def _answer(response: httpcore.Response, headers: httpx.Headers, url: str, limit: int) -> Fetched:
    retry_after = _retry_after(headers)
    if response.status == httpx.codes.NOT_MODIFIED:
        body = b""
    elif httpx.codes.is_success(response.status):
        body = _body(response, headers.get("content-encoding", "").strip().lower(), url, limit)
    else:
        reason = httpx.codes.get_reason_phrase(response.status)
        raise RefusedByServerError(f"{url} answered {response.status} {reason}".rstrip(), response.status, retry_after)
    return Fetched(
        status=response.status,
        body=body,
        content_type=headers.get("content-type", ""),
        etag=headers.get("etag", ""),
        last_modified=headers.get("last-modified", ""),
        url=url,
        retry_after=retry_after,
    )


def _body(response: httpcore.Response, encoding: str, url: str, limit: int) -> bytes:
    raw = _limited(response.iter_stream(), url, limit)
    if encoding in {"", "identity"}:
        return b"".join(raw)
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise UnavailableError(f"{url} came in an encoding nobody asked for ({encoding})")
    try:
        return b"".join(_limited(_inflated(raw), url, limit))
    except zlib.error as error:
        raise UnavailableError(f"{url} came broken ({error})") from None


def _limited(chunks: Iterable[bytes], url: str, limit: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            raise UnavailableError(f"{url} is larger than {limit} bytes", "raise fetch.max_bytes if that is right")
        yield chunk


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompressed in small pieces, so that a bomb is noticed before it has gone off."""
    decompressor = None
    for chunk in chunks:
        if decompressor is None:
            bare = chunk[0] & 0x0F != zlib.DEFLATED and chunk[:2] != b"\x1f\x8b"  # deflate without zlib's header
            decompressor = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
        pending = chunk
        while pending:
            yield decompressor.decompress(pending, _CHUNK)
            pending = decompressor.unconsumed_tail
    if decompressor is not None:
        yield decompressor.flush()
        if not decompressor.eof:
            raise zlib.error("it ends too early")


def _retry_after(headers: httpx.Headers) -> int | None:
    """Seconds or, by the server's own clock, a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:9])
    try:
        until: datetime = parsedate_to_datetime(value)
        return max(0, int((until - parsedate_to_datetime(headers.get("date", ""))).total_seconds()))
    except (ValueError, TypeError):
        return None
