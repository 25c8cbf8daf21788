from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

import pytest

from counterfoil.cli.doctor.examination import examine
from counterfoil.keys import SigningKeySet
from serving import answering, bytes_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from cli.terminal import Served
    from counterfoil.cli.doctor.finding import Level

JWKS: Final = "/.well-known/jwks.json"
METADATA: Final = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return SigningKeySet.generate(now=datetime.now(UTC)).public().to_jwks()


@dataclass
class Front:
    """An issuer behind a proxy that does what a test says to what passes through it."""

    keys: dict[str, Any]
    url: str = ""
    cached: str = "Cache-Control: public, max-age=300"
    headers: tuple[str, ...] = ("X-Content-Type-Options: nosniff",)
    name: str = ""
    keys_status: int = 200
    refusal: int = 401
    stored: str = "Cache-Control: no-store"
    passes_authorization: bool = True
    ahead: float = 0.0

    def reply(self, connection: socket.socket, head: str) -> None:
        path = head.split(" ")[1]
        if path == JWKS:
            answer = self.answer(self.keys, self.keys_status, self.cached)
        elif path == METADATA:
            told = self.name or self.url
            answer = self.answer({"issuer": told, "jwks_uri": told + JWKS}, 200)
        elif path == "/v1/session" and self.refusal == 401:
            shown = self.passes_authorization and "\r\nAuthorization:" in head
            code = "credential_malformed" if shown else "credential_missing"
            answer = self.answer({"code": code}, 401, self.stored, "WWW-Authenticate: Bearer")
        else:
            answer = self.answer("<html>", self.refusal)
        connection.sendall(answer)

    def answer(self, body: object, status: int, *headers: str) -> bytes:
        date = f"Date: {formatdate(time.time() + self.ahead, usegmt=True)}"
        lines = tuple(line for line in (*self.headers, *headers, date) if line)
        return bytes_of(json.dumps(body).encode(), status=status, headers=lines)


@contextmanager
def front(keys: dict[str, Any], **changes: Any) -> Iterator[str]:
    made = Front(keys, **changes)
    with answering(made.reply) as server:
        made.url = server.url
        yield server.url


def amiss(url: str) -> dict[str, Level]:
    graded = {each.id: each.level for each in reversed(examine(None, url).findings)}
    return {name: level for name, level in graded.items() if level in {"wrong", "warning"}}


def test_an_issuer_that_is_sound(keys: dict[str, Any]) -> None:
    """Nothing is wrong, and that there was no data folder to look at is said."""
    with front(keys) as url:
        assert amiss(url) == {}
        found = examine(None, url)
    assert "The data folder" in found.of("unseen")[0].says


def test_a_running_server_from_outside(served: Served) -> None:
    """With --url alone no data folder is needed, and code 0 says that nothing is wrong."""
    said = served.terminal("doctor", "--url", served.url)
    assert (said.code, said.err) == (0, "")
    assert "0 wrong, 0 warnings" in said.out
    assert "[issuer-authorization]" in said.out


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"keys_status": 502}, {"issuer-keys": "wrong"}),
        ({"cached": "Cache-Control: max-age=86400"}, {"issuer-cache": "wrong"}),
        ({"cached": "Cache-Control: max-age=300\r\nAge: 4000"}, {"issuer-cache": "wrong"}),
        ({"cached": ""}, {"issuer-cache": "warning"}),
        ({"name": "http://localhost:8000"}, {"issuer-metadata": "wrong"}),
        ({"refusal": 302}, {"issuer-refusals": "wrong"}),
        ({"refusal": 200}, {"issuer-refusals": "wrong"}),
        ({"refusal": 404}, {}),
        ({"stored": ""}, {"issuer-refusals": "wrong"}),
        ({"passes_authorization": False}, {"issuer-authorization": "wrong"}),
        ({"headers": ()}, {"issuer-headers": "warning"}),
        (
            {"headers": ("X-Content-Type-Options: nosniff", "Server: nginx/1.24.0")},
            {"issuer-headers": "warning"},
        ),
        ({"ahead": 30.0}, {"clock-issuer": "warning"}),
        ({"ahead": -300.0}, {"clock-issuer": "wrong"}),
    ],
    ids=str,
)
def test_what_a_proxy_does_to_an_issuer(
    keys: dict[str, Any], changes: dict[str, Any], expected: dict[str, Level]
) -> None:
    """Keys that do not come or are cached for too long, other names, refusals and headers that
    are lost on the way, and clocks that disagree: each is found."""
    with front(keys, **changes) as url:
        assert amiss(url) == expected


def test_keys_that_cannot_be_used(keys: dict[str, Any]) -> None:
    """None for tokens, two of one id, or a private half."""
    first = keys["keys"][0]
    for published in ([], [first, first], [{**first, "d": "AAAA"}]):
        with front({"keys": published}) as url:
            assert amiss(url) == {"issuer-keys": "wrong"}


def test_an_issuer_that_does_not_answer_or_is_none() -> None:
    """With --url that is wrong; plain http is for loopback."""
    assert amiss("http://localhost:1") == {"issuer-answers": "wrong"}
    assert amiss("http://203.0.113.7") == {"issuer": "wrong"}
    assert amiss("https://auth.example/") == {"issuer": "wrong"}


@pytest.mark.parametrize("url", ["http://localhost:99999", "http://[::1", "http://localhost:x"])
def test_what_is_no_url_is_told_and_not_asked(url: str) -> None:
    """A port that there is not, brackets that do not close: a finding, no traceback."""
    assert amiss(url) == {"issuer": "wrong"}


def test_another_server_than_that_of_the_folder(served: Served, keys: dict[str, Any]) -> None:
    """Keys that are not the folder's: its tokens would be refused there."""
    with front(keys) as url:
        said = served.run("doctor", "--url", url)
    assert said.code == 1
    assert said.out.startswith("wrong    They are not those of the data folder")
