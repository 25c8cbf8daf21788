"""An application behind a proxy: it believes its headers, and remembers what reached it."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whatever some server reads as X-Auth-….
ALIAS: Final = re.compile(r"x[^a-z0-9]?auth", re.IGNORECASE)
TOLD: Final = {"x-auth-subject", "x-auth-session", "x-auth-client", "x-auth-roles"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]

    @property
    def subject(self) -> str:
        """Who the proxy says sent it: said once, and in no other spelling."""
        aliases = [name for name, _ in self.headers if ALIAS.match(name)]
        assert len(aliases) == len(set(aliases)), self
        assert set(aliases) <= TOLD, self
        assert len(self.all("x-auth-subject")) == 1, self
        return self.all("x-auth-subject")[0]


@dataclass(slots=True)
class Application:
    """Answers with what it saw."""

    port: int
    seen: list[Seen] = field(default_factory=list)

    def at(self, path: str) -> list[Seen]:
        return [each for each in self.seen if urlsplit(each.path).path == path]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
        path = scope["raw_path"].decode() + "?" * bool(scope["query_string"])
        path += scope["query_string"].decode()
        seen = Seen(scope["method"], path, headers, body)
        self.seen.append(seen)
        told = {
            "subject": seen.all("x-auth-subject"),
            "session": seen.all("x-auth-session"),
            "client": seen.all("x-auth-client"),
            "roles": seen.all("x-auth-roles"),
            "method": seen.method,
            "path": path,
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        answer = json.dumps(told).encode()
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})


@contextmanager
def application() -> Iterator[Application]:
    made: list[Application] = []

    def make(url: str) -> Application:
        made.append(Application(urlsplit(url).port or 0))
        return made[0]

    with serving.serving(make):
        yield made[0]
