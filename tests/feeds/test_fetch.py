"""The bounded GET: a sound answer is returned, every other one is IssuerUnavailable, in time."""

from __future__ import annotations

import gzip
import select
import socket
import threading
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from certificates import certificate
from counterfoil.errors import CredentialMalformed, IssuerUnavailable
from counterfoil.feeds import fetch
from serving import answering, bytes_of, saying, until

if TYPE_CHECKING:
    from pathlib import Path

    from serving import Reply

SOON = timedelta(seconds=5)
SHORT = timedelta(seconds=0.4)
HUGE = b"x" * (fetch.LIMIT + 1)


def chunked(*chunks: bytes) -> bytes:
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent


@pytest.mark.parametrize(
    "answer",
    [
        bytes_of(b"whole"),
        b"HTTP/1.0 200 OK\r\n\r\nwhole",
        chunked(b"wh", b"ole", b""),
        b"HTTP/1.1 100 Continue\r\n\r\n" + bytes_of(b"whole"),
        bytes_of(b"whole", headers=("Content-Encoding: identity",)),
    ],
)
def test_a_whole_answer_is_returned(answer: bytes) -> None:
    """With a length, without, in chunks, after an interim answer."""
    with answering(saying(answer)) as server:
        assert fetch.get(f"{server.url}/keys", timeout=SOON) == b"whole"


def test_an_answer_may_be_as_long_as_the_limit() -> None:
    """And not a byte longer; see below."""
    with answering(saying(bytes_of(HUGE[1:]))) as server:
        assert len(fetch.get(server.url, timeout=SOON)) == fetch.LIMIT


def test_the_request_says_what_it_takes() -> None:
    """One GET, for JSON, not packed, not from a cache on the way, and without a credential."""
    with answering(saying(bytes_of(b"{}"))) as server:
        fetch.get(f"{server.url}/auth/keys?a=b#c", timeout=SOON)
    lines = [
        "GET /auth/keys?a=b HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Cache-Control: no-cache",
        "Connection: close",
        "User-Agent: counterfoil",
    ]
    assert server.asked == ["\r\n".join([*lines, "", ""])]


UNSOUND = {
    "a redirect": bytes_of(b"", status=302, headers=("Location: http://127.0.0.1:1/",)),
    "not modified": bytes_of(b"{}", status=304),
    "404": bytes_of(b"{}", status=404),
    "500": bytes_of(b"{}", status=500),
    "a long body": bytes_of(HUGE),
    "a long length": bytes_of(b"", length=fetch.LIMIT + 1),
    "long chunks": chunked(HUGE, b""),
    "long without a length": b"HTTP/1.0 200 OK\r\n\r\n" + HUGE,
    "shorter than its length": bytes_of(b"short", length=6),
    "chunks without an end": chunked(b"short"),
    "chunks without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "packed": bytes_of(gzip.compress(b"{}", mtime=0), headers=("Content-Encoding: gzip",)),
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    "a long header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
}


@pytest.mark.parametrize("answer", UNSOUND.values(), ids=UNSOUND.keys())
def test_everything_else_is_unavailable(answer: bytes) -> None:
    """J6: no redirect, no huge, packed, broken or short body, no other status."""
    with answering(saying(answer)) as server, pytest.raises(IssuerUnavailable):
        fetch.get(server.url, timeout=SOON)


def test_j6_a_redirect_is_not_followed() -> None:
    """CVE-2026-102267: whom the issuer points to is not the issuer."""
    with answering(saying(bytes_of(b"{}"))) as other:
        moved = bytes_of(b"{}", status=307, headers=(f"Location: {other.url}",))
        with (
            answering(saying(moved)) as server,
            pytest.raises(IssuerUnavailable, match="redirect"),
        ):
            fetch.ask(server.url, timeout=SOON, bearer="cf_x")
    assert other.asked == []


def drip(start: bytes, drop: bytes) -> Reply:
    def reply(connection: socket.socket, _: str) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.05)

    return reply


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (bytes_of(b"", length=100_000), b"x"),
        (chunked(), b"1\r\nx\r\n"),
    ],
)
def test_an_answer_that_drips_ends_at_the_deadline(start: bytes, drop: bytes) -> None:
    """The deadline is for all of it, not for each read."""
    with answering(drip(start, drop)) as server:
        began = time.monotonic()
        with pytest.raises(IssuerUnavailable):
            fetch.get(server.url, timeout=SHORT)
    assert time.monotonic() - began < 2 * SHORT.total_seconds()


def test_a_server_that_says_nothing_ends_at_the_deadline() -> None:
    """Before the answer as much as within it."""
    with answering(lambda *_: time.sleep(2)) as server, pytest.raises(IssuerUnavailable):
        fetch.get(server.url, timeout=SHORT)


def test_a_refused_connection_is_unavailable_and_says_so() -> None:
    """The reason is for who runs it: it names no credential."""
    with answering(saying(b"")) as server:
        pass
    with pytest.raises(IssuerUnavailable, match="Connection refused"):
        fetch.get(server.url, timeout=SOON)


def test_an_unknown_host_is_unavailable() -> None:
    """RFC 6761 promises that .invalid is no host."""
    with pytest.raises(IssuerUnavailable):
        fetch.get("https://issuer.invalid/keys", timeout=SOON)


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "0.0.0.0"])  # noqa: S104 - not bound
def test_j6_plain_http_reaches_loopback_only(host: str) -> None:
    """Asked of the address, before anything is sent; a name may lead anywhere."""
    with pytest.raises(IssuerUnavailable, match="loopback"):
        fetch.ask(f"http://{host}:9/", timeout=SHORT, bearer="cf_x")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is given the request, however the environment is set."""
    with answering(saying(bytes_of(b"{}"))) as proxy, answering(saying(bytes_of(b"x"))) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert fetch.get(server.url, timeout=SOON) == b"x"
    assert proxy.asked == []


@pytest.mark.parametrize("bearer", ["", "a b", "a\r\nX: y", "a\n", "ä", "x" * 8193])
def test_a_credential_cannot_add_a_line_to_the_request(bearer: str) -> None:
    """Refused before there is a connection, and not repeated in the error."""
    with answering(saying(bytes_of(b"{}"))) as server, pytest.raises(CredentialMalformed) as caught:
        fetch.ask(server.url, timeout=SOON, bearer=bearer)
    assert server.asked == []
    assert not bearer or bearer not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "is_trusted"), [("localhost", True), ("localhost", False), ("elsewhere", True)]
)
def test_https_needs_a_trusted_certificate_for_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, *, is_trusted: bool
) -> None:
    """Trust is the machine's; nothing is sent, the credential least of all, to anyone else."""
    path, context = certificate(tmp_path, host=host)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    fetch._context.cache_clear()  # noqa: SLF001 - what the machine trusts is read once per process
    try:
        with answering(saying(bytes_of(b"{}")), tls=context) as server:
            url = f"https://localhost:{server.port}/"
            if is_trusted and host == "localhost":
                assert fetch.ask(url, timeout=SOON, bearer="cf_x") == (200, b"{}")
                return
            with pytest.raises(IssuerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                fetch.ask(url, timeout=SOON, bearer="cf_x")
        assert server.asked == []
    finally:
        fetch._context.cache_clear()  # noqa: SLF001 - as above


def talking(*, ends: bool = False, more: bytes = b"") -> Reply:
    """Answers one request after the other on a line with how many there have been on it."""

    def reply(connection: socket.socket, _: str) -> None:
        number = 1
        while True:
            body = b"%d" % number
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)
            if more:
                time.sleep(0.02)
                connection.sendall(more)
            if ends or not connection.recv(65536):
                return
            number += 1

    return reply


def asked(line: fetch.Line, url: str, *, within: float = 5) -> fetch.Answer:
    line.send(url, within=within)
    return line.receive()


def test_a_line_is_kept_from_one_request_to_the_next() -> None:
    """One connection, until it is closed."""
    with answering(talking()) as server:
        line = fetch.Line(server.url)
        assert line.fileno() == -1
        assert [asked(line, f"{server.url}/{n}").body for n in range(3)] == [b"1", b"2", b"3"]
        assert line.fileno() >= 0
        line.close()
        line.close()
        assert line.fileno() == -1
        assert asked(line, server.url).body == b"1"
        line.close()
    assert "Connection: keep-alive" in server.asked[0]


def test_a_line_that_was_closed_at_the_other_end_is_opened_again() -> None:
    """Whoever asks does not notice."""
    with answering(talking(ends=True)) as server:
        line = fetch.Line(server.url)
        assert [asked(line, server.url).body for _ in range(3)] == [b"1"] * 3
        line.close()


def test_a_line_that_is_closed_while_a_request_is_out_is_opened_again_without_waiting() -> None:
    """Whoever looks whether the answer has begun can go on with something else meanwhile."""
    goes_on = threading.Event()

    def reply(connection: socket.socket, _: str) -> None:
        if len(server.asked) == 1:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
            connection.recv(65536)
            return
        goes_on.wait(5)
        connection.sendall(bytes_of(b"2"))

    with answering(reply) as server, closing(fetch.Line(server.url)) as line:
        assert asked(line, server.url).body == b"1"
        line.send(server.url, within=5)
        select.select([line], [], [], 5)
        assert not line.has_begun()
        until(lambda: len(server.asked) == 2)
        assert not line.has_begun()
        goes_on.set()
        select.select([line], [], [], 5)
        assert line.has_begun()
        assert line.has_begun()
        assert line.receive().body == b"2"


def test_a_line_that_cannot_be_opened_again_says_so_to_who_receives() -> None:
    """Looking raises nothing."""
    with answering(talking()) as server, closing(fetch.Line(server.url)) as line:
        assert asked(line, server.url).body == b"1"
        server.stop()
        line._sock.shutdown(socket.SHUT_RD)  # type: ignore[union-attr]  # noqa: SLF001 - as if the other end had
        line._is_used = True  # noqa: SLF001 - a request is out
        assert line.has_begun()
        with pytest.raises(IssuerUnavailable, match="refused"):
            line.receive()


def test_s21_what_came_unasked_answers_nothing() -> None:
    """Said twice, or pushed by somebody on the way: the next question is asked on another line."""
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
    for more in (stray, stray[:20], b"x"):
        with answering(talking(more=more)) as server, closing(fetch.Line(server.url)) as line:
            for _ in range(3):
                assert asked(line, server.url).body == b"1"
                select.select([line], [], [], 5)


def test_a_line_on_which_an_answer_failed_is_closed() -> None:
    """Whatever is on it still belongs to nothing that will be asked."""
    with answering(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")) as server:
        line = fetch.Line(server.url)
        with pytest.raises(IssuerUnavailable):
            asked(line, server.url)
        assert line.fileno() == -1


def test_a_request_has_only_so_long() -> None:
    """Counted from when it was sent; the next one has its own."""
    with answering(lambda *_: time.sleep(2)) as server:
        line = fetch.Line(server.url)
        line.send(server.url, within=0.2)
        assert 0 < line.left <= 0.2
        with pytest.raises(IssuerUnavailable):
            line.receive()
        assert line.left <= 0
        server.reply = saying(bytes_of(b"whole"))
        assert asked(line, server.url).body == b"whole"
        line.close()
