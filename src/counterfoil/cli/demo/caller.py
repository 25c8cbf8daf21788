"""Calls to the server over HTTP, each timed, and nothing between: the standard library's client."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT: Final = 30.0


class NotAsSaid(Exception):
    """A step did not do what was said of it: one sentence, without credentials."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A credential where it travels: a header line, and what to show of it."""

    name: str
    value: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def bytes_on_the_wire(self) -> int:
        """Of the whole line, its end included, as HTTP/1.1 sends it with each request."""
        return len(f"{self.name}: {self.value}\r\n".encode())

    @property
    def shown(self) -> str:
        return f"{self.name}: {self.value.replace(self.secret, shortened(self.secret))}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered. began: when the request was about to be sent on a connection that
    stood; ended: when the answer was here, whole. Both by the clock that nobody sets."""

    status: int
    cookie: str | None = field(repr=False)
    body: Any = field(repr=False)
    began: float
    ended: float

    @property
    def code(self) -> str:
        """The refusal's code; empty for what was accepted."""
        return str(self.body.get("code", self.status)) if self.status >= 400 else ""  # noqa: PLR2004 - HTTP's own line

    @property
    def milliseconds(self) -> float:
        return (self.ended - self.began) * 1000

    def expect(self, status: int, code: str = "") -> Reply:
        """Itself. Raises `NotAsSaid` for any other answer."""
        if (self.status, self.code) != (status, code):
            wanted = f"{status} {code}".strip()
            raise NotAsSaid(
                f"The answer was {self.status} {self.code}".strip() + f", not {wanted}."
            )
        return self


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the issuer at this URL."""

    issuer: str

    def __call__(
        self, method: str, path: str, *, carried: Carried | None = None, **members: object
    ) -> Reply:
        """One request on a connection of its own; `members` are its JSON body. Raises `NotAsSaid`
        where there is no answer."""
        headers = {"Accept": "application/json"}
        if carried is not None:
            headers[carried.name] = carried.value
        if members:
            headers["Content-Type"] = "application/json"
        body = json.dumps(members).encode() if members else None
        parts = urlsplit(self.issuer)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT)
        try:
            connection.connect()
            began = time.monotonic()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            ended = time.monotonic()
        except (OSError, HTTPException) as why:
            raise NotAsSaid(f"The server does not answer: {type(why).__name__}.") from None
        finally:
            connection.close()
        kind = answer.headers.get_content_type()
        content = json.loads(text) if kind.endswith("json") else text.decode()
        return Reply(answer.status, answer.getheader("set-cookie"), content, began, ended)


def shortened(secret: str) -> str:
    """A credential as it may be shown: people paste what their terminals say."""
    return f"{secret[:10]}…"
