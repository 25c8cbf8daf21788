"""What is no HTTP, or is HTTP that two readers take for two things; sent byte by byte."""

from __future__ import annotations

import socket
import time

import pytest

import live
from counterfoil.server import wire

HOST = b"Host: localhost\r\nConnection: close\r\n"
STAY = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
POST = b"POST /v1/sessions HTTP/1.1\r\n" + HOST + JSON
POST_STAY = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n" + JSON
GET = b"GET /livez HTTP/1.1\r\n" + HOST
END = b"\r\n"
PIECE = b"a" * 65_536


def refusal(answer: bytes) -> tuple[int, bytes]:
    """The status, and the code of the problem."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    assert head.count(b"HTTP/1.1 ") == 1, answer
    return int(head.split()[1]), body.partition(b'"code":"')[2].partition(b'"')[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /v1/s\xff HTTP/1.1\r\n" + HOST + END],
        [b"GET /livez?x=\xff HTTP/1.1\r\n" + HOST + END],
        [b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + END],
        [b"GET /livez HTTP/1.1\r\n" + END],
        [GET + b"Host: evil.example\r\n" + END],
        [GET + b"X: a\r\n b\r\n" + END],
        [GET + b"X: a\0b\r\n" + END],
        [GET + b"X : a\r\n" + END],
        [GET + b"no colon\r\n" + END],
        [POST + b"Content-Length: 3\r\n" + CHUNKED + END + b"0\r\n\r\n"],
        [POST + b"Content-Length: 3\r\nContent-Length: 4\r\n" + END + b"abc"],
        [POST + b"Content-Length: -1\r\n" + END],
        [POST + b"Content-Length: 1e3\r\n" + END],
        [POST + b"Content-Length: 99999999999999999999999\r\n" + END],
        [POST + b"Transfer-Encoding: xchunked\r\n" + END + b"0\r\n\r\n"],
        [POST + CHUNKED + END + b"zz\r\n"],
        [POST + CHUNKED + END + b"-1\r\n"],
        [POST + CHUNKED + END + b"ffffffffffffffffffff\r\n"],
        [POST_STAY + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n" + END + b"{}"],
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        [b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"],
        [b"\0" * 100],
        [b"HELLO\r\n\r\n"],
    ],
)
def test_what_is_no_http_is_malformed(site: live.Site, pieces: list[bytes]) -> None:
    """400 as a problem, once, and the connection is closed; the server lives."""
    assert refusal(site.raw(*pieces)) == (400, b"malformed")
    assert site.call("GET", "/livez").status == 200


@pytest.mark.parametrize(
    "pieces",
    [
        [GET + b"X: " + b"a" * 140_000 + b"\r\n" + END],
        [GET + b"X: a\r\n" * 30_000 + END],
        [GET + b"X: ", *[PIECE] * 20],
        [GET, *[b"a" * 60_000 + b": b\r\n"] * 20],
        [b"GET /", *[PIECE] * 20],
    ],
)
def test_a_head_of_any_size_is_not_read_to_its_end(site: live.Site, pieces: list[bytes]) -> None:
    """One field, many, or an address that does not end: 413, and no more memory than that."""
    assert refusal(site.raw(*pieces)) == (413, b"too_large")
    assert site.call("GET", "/livez").status == 200


def test_a_head_within_the_limit_is_read_whole(site: live.Site) -> None:
    """A hundred kilobytes of headers are unusual and no harm, in one piece or byte by byte."""
    assert site.raw(GET + b"X: " + b"a" * 100_000 + b"\r\n" + END).startswith(b"HTTP/1.1 200")
    drops = [bytes([byte]) for byte in GET + END]
    assert site.raw(*drops).startswith(b"HTTP/1.1 200")


def test_s17_a_trailer_is_no_header(site: live.Site) -> None:
    """What a proxy checks and removes must not come in after the body (RFC 9110 §6.5.1)."""
    device = site.person().sign_in("api")
    body = b'{"password": "x"}'
    sent = b"POST /v1/session/step-up HTTP/1.1\r\n" + HOST + JSON + CHUNKED + END
    sent += b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    trailer = b"Authorization: Bearer " + device.token.encode() + b"\r\n\r\n"
    assert refusal(site.raw(sent + trailer)) == (401, b"credential_missing")
    assert refusal(site.raw(sent, trailer)) == (401, b"credential_missing")


def test_requests_one_after_the_other_are_answered_in_order(site: live.Site) -> None:
    """Pipelined: three requests at once, three answers; what is none ends the wire after them."""
    last = b"GET /nothing HTTP/1.1\r\n" + HOST + END
    answers = site.raw(STAY * 2 + last)
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]
    answers = site.raw(STAY * 2 + b"\0" * 9)
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200"]
    assert answers.endswith(b'{"status":"alive"}')


def test_an_upgrade_is_not_taken_and_not_minded(
    site: live.Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is answered as it is, and whatever follows on that wire is not."""
    for what in (b"websocket", b"h2c", b"TLS/1.0"):
        asked = STAY[:-2] + b"Connection: Upgrade\r\nUpgrade: " + what + b"\r\n" + END
        answer = site.raw(asked, GET + END)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        assert answer.count(b"HTTP/1.1 ") == 1
    assert caplog.records == []


def test_a_client_that_goes_away_is_no_error(
    site: live.Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a body and no more: nobody is left to answer, and nothing is logged."""
    assert site.raw(POST + b"Content-Length: 100\r\n" + END + b"{", shut=True) == b""
    assert site.call("GET", "/livez").status == 200
    assert caplog.records == []


def test_a_body_that_does_not_end_is_refused_in_time(
    site: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks without a last one, a length that is never reached: 400 after WITHIN."""
    monkeypatch.setattr("counterfoil.integrations.fastapi.body.WITHIN", 0.3)
    for sent in (
        POST + CHUNKED + END + b"1\r\n{\r\n",
        POST + b"Content-Length: 100\r\n" + END + b"{",
        b"GET /v1/session HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n" + END,
    ):
        assert refusal(site.raw(sent)) == (400, b"malformed")


def test_a_wire_on_which_nothing_arrives_is_closed(
    site: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request, or a head that never ends, holds a connection for HEAD_WITHIN and no longer."""
    monkeypatch.setattr(wire, "HEAD_WITHIN", 0.3)
    for sent in (b"", b"\r\n\r\n", GET + b"X: a"):
        with socket.create_connection(("127.0.0.1", site.port), timeout=live.PATIENCE) as line:
            began = time.monotonic()
            line.sendall(sent)
            assert line.recv(1) == b""
            assert time.monotonic() - began < live.PATIENCE / 2


@pytest.mark.parametrize("method", ["BREW", "TRACE", "PROPFIND", "get"])
def test_other_methods_are_refused(site: live.Site, method: str) -> None:
    """405 with what is allowed, or 400 where it is no method of HTTP at all."""
    status, code = refusal(site.raw(f"{method} /v1/session HTTP/1.1\r\n".encode() + HOST + END))
    assert (status, code) in {(405, b"malformed"), (400, b"malformed")}
