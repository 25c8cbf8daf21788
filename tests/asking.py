"""Requests to an ASGI application without a server, and browsers that keep its cookies."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from counterfoil.carriers.cookie import cookie_name, refresh_cookie_name
from counterfoil.errors import StoreUnavailable
from counterfoil.integrations.asgi import current_session, optional_session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from counterfoil import MemoryStore, Opened

App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DENIAL: Final[dict[str, Any]] = {"websocket.http.response": {}}
PLAIN: Final[Headers] = [(b"content-type", b"text/plain")]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        """The stable code of a refusal; empty for what is none."""
        return str(self.json.get("code", "")) if self.is_problem else ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        return self.header("content-type") == "application/problem+json"

    def header(self, name: str) -> str | None:
        found = [value.decode() for each, value in self.headers if each == name.encode()]
        assert len(found) <= 1, name
        return found[0] if found else None

    @property
    def cookies(self) -> dict[str, str]:
        """What it sets, by name; empty text for what it clears."""
        lines = [value.decode() for name, value in self.headers if name == b"set-cookie"]
        pairs = [line.partition(";")[0].partition("=") for line in lines]
        assert len({name for name, _, _ in pairs}) == len(pairs)
        return {name: value for name, _, value in pairs}


async def ask(
    app: App, headers: Headers | None = None, *, method: str = "GET", path: str = "/"
) -> Answer:
    """One request."""
    sent: list[Any] = []
    scope = {"type": "http", "method": method, "path": path, "headers": headers or []}
    await app(scope, _nothing, _into(sent))
    start = sent[0]
    assert start["type"] == "http.response.start", sent
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(start["status"], list(start["headers"]), body)


async def shake(
    app: App, headers: Headers | None = None, *, extensions: dict[str, Any] | None = None
) -> list[Any]:
    """One WebSocket handshake: all that the application sends."""
    sent: list[Any] = []
    scope = {"type": "websocket", "path": "/", "headers": headers or []}
    await app(
        scope if extensions is None else {**scope, "extensions": extensions}, _nothing, _into(sent)
    )
    return sent


@dataclass
class Browser:
    """Keeps the cookies that it is given and sends them along."""

    app: App
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(
        self, path: str = "/", *, method: str = "GET", headers: Headers | None = None
    ) -> Answer:
        answer = await ask(self.app, [*self.headers(), *(headers or [])], method=method, path=path)
        self.keep(answer)
        return answer

    def keep(self, answer: Answer) -> None:
        for name, value in answer.cookies.items():
            self.cookies[name] = value
            if not value:
                del self.cookies[name]

    def headers(self) -> Headers:
        return [(b"cookie", "; ".join(map("=".join, self.cookies.items())).encode())]


def browser(app: App, opened: Opened) -> Browser:
    """One that was given this credential."""
    issued = opened.credential
    cookies = {cookie_name(issued.client_id): issued.token}
    if issued.refresh_handle:
        cookies[refresh_cookie_name(issued.client_id)] = issued.refresh_handle
    return Browser(app, cookies)


def set_by(message: Any) -> set[str]:
    """The names of the cookies that an ASGI message sets."""
    lines = [value for name, value in message["headers"] if name == b"set-cookie"]
    return {line.partition(b"=")[0].decode() for line in lines}


def sent_with(opened: Opened) -> Headers:
    """The headers by which its client presents this credential."""
    issued = opened.credential
    if issued.carrier == "bearer":
        return bearer(issued.token)
    return browser(who, opened).headers()


def bearer(text: str) -> Headers:
    return [(b"authorization", b"Bearer " + text.encode())]


async def who(scope: Any, receive: Any, send: Any) -> None:
    """An application: `/` says who is asking, `/maybe` also to visitors, `/static` to nobody."""
    _ = receive
    said = "nobody asked"
    if scope["path"] == "/":
        said = current_session(scope).subject
    elif scope["path"] == "/maybe":
        found = optional_session(scope)
        said = found.subject if found else "visitor"
    await say(said, send)


async def say(text: str, send: Any, headers: Iterable[tuple[bytes, bytes]] = PLAIN) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


class Failing:
    """A store that can be cut off, and counts how often sessions are looked up."""

    suspends = True
    waits_aside = False

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.failing: set[str] = set()
        self.looked_up = 0

    def blocking(self) -> MemoryStore:
        return self._store

    def shard(self, name: str) -> int:
        return self._store.shard(name)

    async def aside(self, step: Callable[[], Any]) -> Any:
        return step()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def failing(*args: Any, **kwargs: Any) -> Any:
            self.looked_up += name == "look_up"
            if name in self.failing:
                raise StoreUnavailable
            return await method(*args, **kwargs)

        return method if name == "default_keys" else failing


async def _nothing() -> Any:
    raise AssertionError("nothing is to be received here")


def _into(sent: list[Any]) -> Callable[[Any], Awaitable[None]]:
    async def send(message: Any) -> None:
        sent.append(message)

    return send
