"""A check that gets no good answer lets nobody in."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import live
import serving
from proxies import running
from proxies.application import Application, application

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

HEADERS = {"Authorization": "Bearer x", "Cookie": "__Host-cf_web=x", "Accept": "text/html"}
WITHIN = 12.0  # seconds, on a machine that does much else; the page's configurations say 2


@dataclass(slots=True)
class Broken:
    """A proxy whose check is answered with whatever a test says."""

    site: live.Site
    application: Application
    server: serving.Server
    done: threading.Event

    def refusal(self, path: str) -> live.Answer:
        began = time.monotonic()
        answer = self.site.call("POST", path, b"x", headers=HEADERS)
        assert time.monotonic() - began < WITHIN
        assert self.application.seen == []
        return answer


@pytest.fixture(scope="module", params=running.NAMES)
def broken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broken]:
    running.required(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    done = threading.Event()
    with (
        running.reserved() as public,
        application() as behind,
        serving.answering(serving.saying(b"")) as server,
    ):
        ports = running.Ports(public, server.port, behind.port)
        command = running.command_of(request.param, folder, ports)
        with running.running(command, folder, public):
            yield Broken(live.Site(public, folder, None), behind, server, done)
            done.set()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_of_the_server_lets_nobody_in(broken: Broken, status: int) -> None:
    """5xx stays 5xx: never 401, which would sign people out."""
    told = ("Retry-After: 1", "X-Auth-Subject: anybody")
    broken.server.reply = serving.saying(serving.bytes_of(b"{}", status=status, headers=told))
    assert broken.refusal("/error").status >= 500


@pytest.mark.parametrize("status", [300, 302, 304, 400, 401, 403, 404, 405, 418, 429])
def test_no_other_status_lets_anybody_in(broken: Broken, status: int) -> None:
    """2xx alone does."""
    told = ("X-Auth-Subject: anybody",)
    broken.server.reply = serving.saying(serving.bytes_of(b"", status=status, headers=told))
    assert broken.refusal("/status").status >= 300


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0" * 100,
        b"HTTP/1.1",
        b"HTTP/1.1 200 OK\r\nX-Auth-Sub",
        b"200\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ],
)
def test_what_is_no_answer_lets_nobody_in(broken: Broken, said: bytes) -> None:
    """The connection is closed, before or within the head."""
    broken.server.reply = serving.saying(said)
    assert broken.refusal("/garbage").status >= 500


def test_a_server_that_is_too_slow_lets_nobody_in(broken: Broken) -> None:
    """Nor does it hold the request for longer than a few seconds."""

    def never(connection: socket.socket, _: str) -> None:
        del connection
        broken.done.wait(60)

    broken.server.reply = never
    assert broken.refusal("/slow").status >= 500


def test_an_answer_without_the_headers_is_nobodys(broken: Broken) -> None:
    """Whatever else says 200 at that address, the client's own claim is not taken in its place."""
    broken.server.reply = serving.saying(serving.bytes_of(b""))
    claims = {"X-Auth-Subject": "forged", "X-Auth-Roles": "forged", "X_Auth_Subject": "forged"}
    broken.site.call("GET", "/empty", headers={**HEADERS, **claims})
    assert "forged" not in str([seen.headers for seen in broken.application.seen])
    broken.application.seen.clear()


def test_without_the_server_nobody_is_let_in(broken: Broken) -> None:
    """Nobody listens there any more."""
    port = broken.server.port
    broken.server.stop()
    assert broken.refusal("/gone").status >= 500
    broken.server = serving.Server(serving.saying(b""), port=port)
