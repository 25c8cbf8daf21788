"""Requests over HTTP, each timed, and told as it went over the wire with its secrets cut short."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

TIMEOUT: Final = 20.0
BEGIN: Final = 6  # characters of a secret that are shown, of its beginning
END: Final = 4  # and of its end, in which one differs from the next
LOCAL: Final = "127.0.0.1"
_SECRETS: Final = frozenset({"token", "refresh_handle", "password", "current", "new"})
_COOKIE: Final = re.compile(r"(__Host-cf_[\w-]+=)([^;]+)")
_BEARER: Final = re.compile(r"(Bearer )(?!realm=)(\S+)")
_SPAN: Final = re.compile(r"(\w+);dur=([0-9.]+)")
_SHOWN_HEADERS: Final = ("set-cookie", "retry-after")
_TELLING: Final = frozenset(
    {
        *_SECRETS,
        *("client_id", "credential", "identifier", "refresh_handle", "state"),
        *("subject", "claims", "roles", "as_of", "keys", "kid", "alg"),
        *("revoked", "effective_within_seconds", "elsewhere_within_seconds"),
        *("code", "detail"),
    }
)


class NotAsSaid(Exception):
    """An experiment did not do what was said of it: one sentence, without credentials."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A credential where it travels: a header line."""

    name: str
    value: str = field(repr=False)

    @property
    def bytes_on_the_wire(self) -> int:
        """Of the whole line, its end included, as HTTP/1.1 sends it with each request."""
        return len(f"{self.name}: {self.value}\r\n".encode())

    @property
    def shown(self) -> str:
        return f"{self.name}: {cut_short(self.value)}"


@dataclass(frozen=True, slots=True)
class StoreCall:
    """One call of the store for a request, as the server counted it."""

    name: str
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered, and what was sent for it. began, ended: by the clock that nobody sets."""

    status: int
    body: Any = field(repr=False)
    cookies: dict[str, str] = field(repr=False)
    sent: tuple[str, ...]
    received: tuple[str, ...]
    bytes_sent: int
    bytes_received: int
    began: float
    ended: float
    store: tuple[StoreCall, ...] = ()
    inside: float = 0.0  # milliseconds within the server

    @property
    def code(self) -> str:
        """The refusal's code; empty for what was accepted."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return ""
        named = self.body.get("code") if isinstance(self.body, dict) else None
        return str(named or self.status)

    @property
    def milliseconds(self) -> float:
        return (self.ended - self.began) * 1000

    @property
    def said(self) -> str:
        """As one says it: "200", "401 session_revoked"."""
        return f"{self.status} {self.code}".strip()

    def expect(self, status: int, code: str = "") -> Answer:
        """Itself. Raises `NotAsSaid` for any other answer."""
        if (self.status, self.code) != (status, code):
            wanted = f"{status} {code}".strip()
            raise NotAsSaid(f"The answer was {self.said}, not {wanted}.")
        return self


class Caller:
    """Somebody who calls a port of this machine. keeps: over one connection, as browsers do;
    otherwise each request has its own, which stands before its time begins."""

    def __init__(self, port: int, *, keeps: bool = False) -> None:
        self.port = port
        self._keeps = keeps
        self._kept: HTTPConnection | None = None

    def __call__(
        self,
        method: str,
        path: str,
        *,
        carried: Carried | None = None,
        headers: Mapping[str, str] | None = None,
        sent: Mapping[str, object] | None = None,
        **members: object,
    ) -> Answer:
        """One request; `sent` and `members` are its JSON body. Raises `NotAsSaid` where there is no
        answer."""
        members = {**(sent or {}), **members}
        lines = {"Accept": "application/json", **(headers or {})}
        if carried is not None:
            lines[carried.name] = carried.value
        body = json.dumps(members).encode() if members else None
        if body is not None:
            lines["Content-Type"] = "application/json"
        connection = self._kept or HTTPConnection(LOCAL, self.port, timeout=TIMEOUT)
        self._kept = None
        try:
            if connection.sock is None:
                connection.connect()
            began = time.monotonic()
            connection.request(method, path, body, lines)
            response = connection.getresponse()
            text = response.read()
            ended = time.monotonic()
        except (OSError, HTTPException) as why:
            connection.close()
            raise NotAsSaid(f"A server does not answer: {type(why).__name__}.") from None
        if self._keeps:
            self._kept = connection
        else:
            connection.close()
        content = _content(response.headers.get_content_type(), text)
        named = response.getheaders()
        spans = [
            StoreCall(name, float(span))
            for name, span in _SPAN.findall(response.getheader("server-timing") or "")
        ]
        return Answer(
            status=response.status,
            body=content,
            cookies=_cookies(named),
            sent=_sent(method, path, lines, members),
            received=_received(response.status, named, content),
            bytes_sent=_size(f"{method} {path} HTTP/1.1", lines.items()) + len(body or b""),
            bytes_received=_size("HTTP/1.1 200 OK", named) + len(text),
            began=began,
            ended=ended,
            store=tuple(spans[1:]),
            inside=spans[0].milliseconds if spans else 0.0,
        )

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()


def cut_short(text: str) -> str:
    """A header's value without the secret in it: what is shown may be pasted."""
    for pattern in (_COOKIE, _BEARER):
        text = pattern.sub(lambda found: found[1] + shortened(found[2]), text)
    return text


def shortened(secret: str) -> str:
    return f"{secret[:BEGIN]}…{secret[-END:]} ({len(secret)} characters)"


def _content(kind: str, text: bytes) -> Any:
    return json.loads(text) if kind.endswith("json") and text else text.decode()


def _cookies(named: list[tuple[str, str]]) -> dict[str, str]:
    """By name, what is set; empty where one is taken away."""
    pairs = [value.partition(";")[0] for name, value in named if name.lower() == "set-cookie"]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _size(first: str, named: Any) -> int:
    lines = [first, *(f"{name}: {value}" for name, value in named)]
    return sum(len(line.encode()) + 2 for line in lines) + 2


def _sent(
    method: str, path: str, lines: Mapping[str, str], members: Mapping[str, object]
) -> tuple[str, ...]:
    named = [
        f"{name}: {cut_short(value)}"
        for name, value in lines.items()
        if name not in {"Accept", "Content-Type"}
    ]
    return (f"{method} {path}", *named, *([_json(members)] if members else []))


def _received(status: int, named: list[tuple[str, str]], content: Any) -> tuple[str, ...]:
    phrase = HTTPStatus(status).phrase
    shown = [
        f"{name.title()}: {cut_short(value)}"
        for name, value in named
        if name.lower() in _SHOWN_HEADERS
    ]
    told = [_json(content)] if isinstance(content, dict) else []
    return (f"{status} {phrase}", *shown, *told)


def _json(members: Mapping[str, object]) -> str:
    """What of a body is telling here; the rest is three dots."""
    told = _telling(dict(members))
    text = json.dumps(told, ensure_ascii=False)
    is_all = told.keys() == members.keys()
    return text if is_all else f"{text[:-1]}{', ' if told else ''}…}}"


def _says_nothing(value: object) -> bool:
    """Whether it is an object of which nothing would be left."""
    return isinstance(value, dict) and bool(value) and not _telling(value)


def _telling(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: shortened(each)
            if name in _SECRETS and isinstance(each, str) and each
            else _telling(each)
            for name, each in value.items()
            if name in _TELLING and not _says_nothing(each)
        }
    if isinstance(value, list):
        return [_telling(each) for each in value]
    return value
