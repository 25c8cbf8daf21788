"""HTTP as people's programs speak it: one request, and what came back, if anything did."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, NamedTuple

PATIENCE: Final = 30.0  # seconds; PostgreSQL may take 6 of them, and the machine may be busy
COOKIE: Final = "__Host-cf_web"


class Hanging(Exception):
    """A node that was not killed took a request and said nothing."""


class Away(Exception):
    """Nobody listens there, so nothing was asked."""


class Credential(NamedTuple):
    """What a request presents: one of the two, or neither."""

    bearer: str = ""
    cookie: str = ""


NONE: Final = Credential()


class Answer(NamedTuple):
    """What came back. status: 0 where nothing did. cookie: what it sets. retry_after: seconds."""

    status: int
    body: dict[str, Any]
    cookie: str = ""
    retry_after: float = 0.0

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can say what has become of the request."""
        return self.status in {0, 503}

    @property
    def code(self) -> str:
        """The stable code of a refusal; empty for what is none."""
        return str(self.body.get("code", ""))

    def __str__(self) -> str:
        """In words that hold no credential."""
        if not self.status:
            return "no answer"
        count = self.body.get("revoked")
        said = self.code or ("" if count is None else f"revoked {count}")
        return f"{self.status} {said}".rstrip()


NOTHING: Final = Answer(0, {})


def call(
    port: int,
    method: str,
    path: str,
    body: dict[str, str] | None = None,
    credential: Credential = NONE,
) -> Answer:
    """One request on a connection of its own. Raises `Away` and `Hanging`."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if credential.bearer:
        headers["Authorization"] = f"Bearer {credential.bearer}"
    if credential.cookie:
        headers["Cookie"] = f"{COOKIE}={credential.cookie}"
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        got = connection.getresponse()
        text = got.read()
    except ConnectionRefusedError:
        raise Away from None
    except TimeoutError:
        raise Hanging(f"{method} {path}: nothing in {PATIENCE:g} s") from None
    except (OSError, HTTPException):
        return NOTHING
    finally:
        connection.close()
    name, _, value = got.getheader("set-cookie", "").partition(";")[0].partition("=")
    is_json = got.getheader("content-type", "").endswith("json")
    return Answer(
        got.status,
        json.loads(text) if is_json else {},
        value if name == COOKIE else "",
        float(got.getheader("retry-after", "0")),
    )
