"""The answers of an issuer's own addresses: for everybody, for one asker, or a refusal."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from counterfoil.integrations.problem import problem

if TYPE_CHECKING:
    from counterfoil.errors import CounterfoilError
    from counterfoil.integrations.issuer import Scope, Send


class Answer(NamedTuple):
    """A status, headers without the length, and a body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def document(members: dict[str, Any], scope: Scope, *, max_age: int) -> Answer:
    """JSON for everybody, good for so many seconds."""
    body = json.dumps(members, separators=(",", ":")).encode()
    # Keys too are plain JSON, not application/jwk-set+json: every client takes this type.
    return published(body, scope, media_type=b"application/json", max_age=max_age)


def published(
    body: bytes,
    scope: Scope,
    *,
    media_type: bytes,
    max_age: int,
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> Answer:
    """The same for everybody, pages of other sites included; 304 where it is known."""
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:16].encode()
    headers = [
        (b"content-type", media_type),
        (b"cache-control", b"public, max-age=%d" % max_age),
        (b"etag", etag),
        (b"access-control-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    if _is_known(etag, scope):
        kept = [each for each in headers[1:] if each[0] != b"content-encoding"]
        return Answer(HTTPStatus.NOT_MODIFIED, kept, b"")
    return Answer(HTTPStatus.OK, headers, body)


def private(members: dict[str, Any]) -> Answer:
    """For whoever asked and nobody else; no page of another site may read it."""
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Cookie, Authorization"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return Answer(HTTPStatus.OK, headers, json.dumps(members, separators=(",", ":")).encode())


def refusal(error: CounterfoilError, status: HTTPStatus | None = None) -> Answer:
    found = problem(error)
    if status is not None:
        found.body.update(status=status.value, title=status.phrase)
    return Answer(status or found.status, found.headers, json.dumps(found.body).encode())


async def send(answer: Answer, to: Send, *, is_head: bool) -> None:
    headers = answer.headers
    if answer.status != HTTPStatus.NOT_MODIFIED:
        headers = [*headers, (b"content-length", b"%d" % len(answer.body))]
    await to({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    await to({"type": "http.response.body", "body": b"" if is_head else answer.body})


def _is_known(etag: bytes, scope: Scope) -> bool:
    """Whether If-None-Match names it, compared weakly (RFC 9110 §13.1.2)."""
    values = [value for name, value in scope["headers"] if name == b"if-none-match"]
    tags = {tag.strip().removeprefix(b"W/") for tag in b",".join(values).split(b",")}
    return etag in tags or b"*" in tags
