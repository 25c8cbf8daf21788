"""Who polls the feed, as `IssuerApp` has it told to whoever keeps count."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from asking import Answer
from counterfoil import Counterfoil, HybridStrategy, MemoryStore
from counterfoil.errors import ClientRefused
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.stores.memory import MemoryKeys
from forging import KEYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from counterfoil.status_feed import Question

NONCE: Final = "A" * 22
NAMED: Final = [(b"authorization", b"Basic YmlsbGluZzp4")]
WRONG: Final = [(b"authorization", b"Basic d3Jvbmc6eA==")]


class Noting:
    """Notes everything that it is told, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.under_way = 0

    async def authenticate(self, scope: Any) -> str | None:
        if scope["headers"] == WRONG:
            raise ClientRefused
        return "billing" if scope["headers"] == NAMED else None

    @contextmanager
    def polling(self, name: str | None, question: Question) -> Iterator[None]:
        self.told.append((name, question.verifier, question.position))
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def answered(self, kind: str) -> None:
        self.told.append(kind)


class Own(MemoryKeys):
    """Keys that were made once for all tests."""

    def __init__(self) -> None:
        super().__init__()
        self._set = KEYS


@pytest.fixture
async def auth() -> AsyncIterator[Counterfoil]:
    engine = Counterfoil(
        issuer="https://app.example",
        store=MemoryStore(),
        strategy=HybridStrategy(audience="api"),
        keys=Own(),
    )
    yield engine
    await engine.close()


async def poll(app: IssuerApp, query: str, headers: list[tuple[bytes, bytes]]) -> Answer:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/status/feed",
        "query_string": query.encode(),
        "headers": headers,
    }
    await app(scope, receive, send)
    return Answer(sent[0]["status"], sent[0]["headers"], sent[1]["body"])


async def test_every_poll_and_every_answer_is_told(auth: Counterfoil) -> None:
    """Who asks, from where, and what came of it: to begin with the lists, news, nothing."""
    noting = Noting()
    app = IssuerApp(auth, register=noting)
    first = await poll(app, f"nonce={NONCE}&verifier=one", NAMED)
    assert first.status == 200
    assert auth.published is not None
    position = auth.published.mirror.position
    assert position is not None
    place = f"nonce={NONCE}&epoch={position.epoch}&number={position.number}"
    terms = f"terms={auth.published.pump.digest}"
    assert (await poll(app, f"{place}&verifier=one", NAMED)).status == 200
    assert (await poll(app, f"{place}&{terms}", [])).status == 200
    assert noting.told == [
        ("billing", "one", None),
        "lists",
        ("billing", "one", position),
        "news",
        (None, "", position),
        "nothing",
    ]
    assert noting.under_way == 0


async def test_a_wrong_secret_is_refused_and_its_poll_is_none(auth: Counterfoil) -> None:
    """401 with a code and the challenge of RFC 7617; so is a question that cannot be read, and
    neither is noted as somebody who follows."""
    noting = Noting()
    app = IssuerApp(auth, register=noting)
    refused = await poll(app, f"nonce={NONCE}&verifier=one", WRONG)
    assert (refused.status, refused.code) == (401, "client_refused")
    assert refused.header("www-authenticate") == 'Basic realm="counterfoil", charset="UTF-8"'
    assert (await poll(app, "nonce=short", NAMED)).code == "malformed"
    ahead = f"nonce={NONCE}&epoch=other&number=1"
    assert (await poll(app, ahead, [])).status == 200
    assert noting.told == ["refused", "refused", (None, "", noting.told[2][2]), "lists"]


async def test_without_a_register_nobody_has_a_name(auth: Counterfoil) -> None:
    """An engine knows no secrets, so it refuses none; whoever asks is answered."""
    app = IssuerApp(auth)
    for headers in (NAMED, WRONG, []):
        assert (await poll(app, f"nonce={NONCE}", headers)).status == 200
