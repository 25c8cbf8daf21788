"""One bounded GET of an issuer's URL.

https, or http on loopback. Redirects are not followed, bodies not unpacked, proxies of the
environment not used; certificates are verified as the machine verifies them. Nothing here takes a
URI out of a token: URLs are those that an operator configured.
"""

from __future__ import annotations

import io
import re
import time
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from counterfoil.errors import CredentialMalformed, IssuerUnavailable

if TYPE_CHECKING:
    from datetime import timedelta
    from http.client import HTTPResponse
    from socket import socket
    from ssl import SSLContext
    from urllib.parse import SplitResult

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
    from http.client import HTTPException, HTTPResponse

    deadline = time.monotonic() + timeout.total_seconds()
    parts = urlsplit(url)
    head = _head(parts, bearer)
    try:
        with _connect(parts, deadline) as sock:
            sock.settimeout(_left(deadline))
            sock.sendall(head)
            response = HTTPResponse(cast("socket", _Wire(sock, deadline)), method="GET")
            response.begin()
            return Answer(response.status, _body(response))
    except (OSError, HTTPException, ValueError) as why:
        reason = getattr(why, "strerror", None) or type(why).__name__
    # Raised here and not where it was caught: what was caught may repeat what was sent.
    raise IssuerUnavailable(f"The issuer could not be asked: {reason}.")


def _head(parts: SplitResult, bearer: str | None) -> bytes:
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",  # an answer from a cache on the way is older than it looks
        "Connection: close",
        "User-Agent: counterfoil",
    ]
    if bearer is not None:
        if not isinstance(bearer, str) or _CREDENTIAL.fullmatch(bearer) is None:
            raise CredentialMalformed("The credential holds what no credential of ours does.")
        lines.append(f"Authorization: Bearer {bearer}")
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


def _is_loopback(address: str) -> bool:
    """Asked of what the name resolves to: a name alone promises nothing."""
    return address == "::1" or address.startswith("127.")


@cache
def _context() -> SSLContext:
    import ssl

    return ssl.create_default_context()


def _body(response: HTTPResponse) -> bytes:
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        raise IssuerUnavailable("The issuer answered with a redirect, which is not followed.")
    if response.getheader("content-encoding", "identity").lower() != "identity":
        raise IssuerUnavailable("The issuer answered in an encoding that was not asked for.")
    declared = response.length or 0
    body = response.read(LIMIT + 1) if declared <= LIMIT else b""
    if max(declared, len(body)) > LIMIT:
        raise IssuerUnavailable(f"The issuer's answer is longer than {LIMIT} bytes.")
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

    def __init__(self, sock: socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)
