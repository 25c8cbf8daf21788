"""GETs of an issuer's URLs, each bounded in size and time: single ones, and those that follow one
another over a line that is kept.

https, or http on loopback. Redirects are not followed, bodies not unpacked, proxies of the
environment not used; certificates are verified as the machine verifies them. Nothing here takes a
URI out of a token: URLs are those that an operator configured.
"""

from __future__ import annotations

import io
import re
import time
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from counterfoil.errors import CredentialMalformed, IssuerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from http.client import HTTPResponse
    from socket import socket
    from ssl import SSLContext
    from urllib.parse import SplitResult

T = TypeVar("T")
LIMIT: Final = 256 * 1024
_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")  # also keeps lines out of the head


class Answer(NamedTuple):
    """What an issuer answered: whatever it is, it is whole, of acceptable size and no redirect."""

    status: int
    body: bytes


def get(url: str, *, timeout: timedelta) -> bytes:
    """The body of a 200. Raises `IssuerUnavailable` for everything else."""
    answer = ask(url, timeout=timeout)
    if answer.status != HTTPStatus.OK:
        raise IssuerUnavailable(f"The issuer answered {answer.status}.")
    return answer.body


def ask(url: str, *, timeout: timedelta, bearer: str | None = None) -> Answer:
    """The answer, if all of it is there within `timeout`.

    Only the resolver of names keeps a time of its own. Raises `IssuerUnavailable`, and
    `CredentialMalformed` for a bearer credential that no header can carry.
    """
    line = Line(url)
    try:
        line.send(url, within=timeout.total_seconds(), bearer=bearer, is_last=True)
        return line.receive()
    finally:
        line.close()


class Line:
    """A connection to an issuer. One request is out at a time; its answer, or that there is none,
    is waited for with `receive`. url: any of the issuer's.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._sock: socket | None = None
        self._head = b""
        self._deadline = 0.0
        self._is_used = False
        self._first = b""  # of an answer, where it was read to see whether there is one
        self._lost: IssuerUnavailable | None = None  # why there will be none

    def send(
        self,
        url: str,
        *,
        within: float,
        accept: str = "application/json",
        authorization: str | None = None,
        bearer: str | None = None,
        is_last: bool = False,
    ) -> None:
        """Sends a GET, whose answer is to be whole in so many seconds; opens the line where it is
        not open. Raises `IssuerUnavailable`, and `CredentialMalformed` for a bearer credential
        that no header can carry."""
        if bearer is not None:
            if not isinstance(bearer, str) or _CREDENTIAL.fullmatch(bearer) is None:
                raise CredentialMalformed("The credential holds what no credential of ours does.")
            authorization = f"Bearer {bearer}"
        self._deadline = time.monotonic() + within
        self._head = _head(urlsplit(url), accept, authorization, is_last=is_last)
        self._guarded(self._begin)

    def fileno(self) -> int:
        """Of the open line: what becomes readable when the answer begins."""
        return -1 if self._sock is None else self._sock.fileno()

    @property
    def left(self) -> float:
        """Seconds until the request that is out has failed."""
        return self._deadline - time.monotonic()

    def has_begun(self) -> bool:
        """Whether there is something to receive on a line that has become readable.

        Under TLS what came may be for the session alone. And a line that was kept may have been
        closed meanwhile at the other end: then the request, which is as old as it was when it was
        first sent, goes out again on another.
        """
        if self._sock is None or self._first:
            return True
        first = self._peek(self._sock)
        if first is None:
            return False
        self._first = first
        if first or not self._is_used:
            return True
        try:
            self._guarded(self._anew)
        except IssuerUnavailable as why:
            self._lost = why
            return True
        return False

    def receive(self, *, limit: int = LIMIT) -> Answer:
        """The answer. Raises `IssuerUnavailable`, and the line is closed then."""
        if self._lost is not None:
            raise self._lost
        return self._guarded(lambda: self._end(limit))

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock, self._first = None, b""

    def _peek(self, sock: socket) -> bytes | None:
        """The first of what has come: None where that is nothing yet, empty where it is the end."""
        nothing_yet: type[OSError] = BlockingIOError
        if self._parts.scheme == "https":
            import ssl

            nothing_yet = ssl.SSLWantReadError
        sock.settimeout(0)
        try:
            return sock.recv(1)
        except nothing_yet:
            return None
        except OSError:
            return b""

    def _begin(self) -> None:
        self._lost = None
        # What can be read before anything was asked is an end, or answers nothing of ours.
        self._is_used = self._sock is not None and not _is_readable(self._sock)
        if self._is_used:
            with suppress(OSError):
                self._put()
                return
        self._anew()

    def _anew(self) -> None:
        self._open()
        self._put()

    def _open(self) -> None:
        self.close()
        self._is_used = False
        self._sock = _connect(self._parts, self._deadline)

    def _put(self) -> None:
        assert self._sock is not None  # noqa: S101 - opened by who calls
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(self._head)
        _acknowledge_at_once(self._sock)

    def _end(self, limit: int) -> Answer:
        from http.client import RemoteDisconnected

        try:
            return self._read(limit)
        except (RemoteDisconnected, ConnectionError):
            if not self._is_used:  # as in `has_begun`
                raise
        self._anew()
        return self._read(limit)

    def _read(self, limit: int) -> Answer:
        from http.client import HTTPResponse

        assert self._sock is not None  # noqa: S101 - opened by who calls
        wire = _Wire(self._sock, self._deadline, self._first)
        self._first = b""
        with HTTPResponse(cast("socket", wire), method="GET") as response:
            response.begin()
            answer = Answer(response.status, _body(response, limit))
            if response.will_close:
                self.close()
        return answer

    def _guarded(self, step: Callable[[], T]) -> T:
        from http.client import HTTPException

        try:
            return step()
        except IssuerUnavailable:
            self.close()
            raise
        except (OSError, HTTPException, ValueError) as why:
            self.close()
            reason = getattr(why, "strerror", None) or type(why).__name__
        # Raised here and not where it was caught: what was caught may repeat what was sent.
        raise IssuerUnavailable(f"The issuer could not be asked: {reason}.")


def _head(parts: SplitResult, accept: str, authorization: str | None, *, is_last: bool) -> bytes:
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",  # an answer from a cache on the way is older than it looks
        f"Connection: {'close' if is_last else 'keep-alive'}",
        "User-Agent: counterfoil",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _connect(parts: SplitResult, deadline: float) -> socket:
    import socket

    host, is_secure = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    failure = OSError()
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        if not is_secure and not _is_loopback(str(address[0])):
            raise IssuerUnavailable("Plain http is for loopback, and the issuer is elsewhere.")
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
            sock.settimeout(_left(deadline))
            return _context().wrap_socket(sock, server_hostname=host) if is_secure else sock
        except OSError as why:
            sock.close()
            failure = why
    raise failure


def _acknowledge_at_once(sock: socket) -> None:
    """Servers that send head and body apart, on a line with Nagle's algorithm, would otherwise
    hold the body back until our delayed acknowledgement, 40 ms later."""
    import socket

    if (quick := getattr(socket, "TCP_QUICKACK", None)) is not None:
        sock.setsockopt(socket.IPPROTO_TCP, quick, 1)


def _is_readable(sock: socket) -> bool:
    import select

    asked = select.poll()
    asked.register(sock, select.POLLIN)
    return bool(asked.poll(0))


def _is_loopback(address: str) -> bool:
    """Asked of what the name resolves to: a name alone promises nothing."""
    return address == "::1" or address.startswith("127.")


@cache
def _context() -> SSLContext:
    import ssl

    return ssl.create_default_context()


def _body(response: HTTPResponse, limit: int) -> bytes:
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        raise IssuerUnavailable("The issuer answered with a redirect, which is not followed.")
    if response.getheader("content-encoding", "identity").lower() != "identity":
        raise IssuerUnavailable("The issuer answered in an encoding that was not asked for.")
    declared = response.length or 0
    body = response.read(limit + 1) if declared <= limit else b""
    if max(declared, len(body)) > limit:
        raise IssuerUnavailable(f"The issuer's answer is longer than {limit} bytes.")
    if response.length:
        raise IssuerUnavailable("The issuer's answer was cut short.")
    return body


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Wire(io.RawIOBase):
    """A socket as a response reads it. Each read has only what is left until the deadline, so an
    answer that drips does not drip for ever. It closes with its reader; the socket does not."""

    def __init__(self, sock: socket, deadline: float, first: bytes) -> None:
        self._sock = sock
        self._deadline = deadline
        self._first = first

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._first:
            length = len(self._first)
            buffer[:length], self._first = self._first, b""
            return length
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)
