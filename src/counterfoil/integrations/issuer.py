"""What an issuer has for verifiers, as an ASGI application to mount: keys, metadata, `confirm`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias
from urllib.parse import urlsplit

from counterfoil.errors import CounterfoilError, Malformed, NotFound
from counterfoil.integrations.confirming import PATH, Confirming, confirmed, keeps_records
from counterfoil.integrations.problem import problem, status_of

if TYPE_CHECKING:
    from counterfoil.ports import Keys

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JWKS: Final = "/.well-known/jwks.json"
METADATA: Final = "/.well-known/oauth-authorization-server"
MAX_AGE: Final = 300  # with the 5 minutes of a verifier still less than `keys.PUBLISH_AHEAD`

_METHODS: Final = ("GET", "HEAD")


class Issuer(Confirming, Protocol):
    """Whose keys they are: `Counterfoil` and `BlockingCounterfoil` are issuers."""

    @property
    def issuer(self) -> str: ...

    @property
    def keys(self) -> Keys: ...


class Answer(NamedTuple):
    """A status, headers without the length, and a body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class IssuerApp:
    """Serves the JWK Set (RFC 7517) and the metadata (RFC 8414) of an issuer; and where there is
    a store, answers `Verifier.confirm` at `/v1/session?confirm=true`.

    Mount it where the issuer's URL points: for `https://app.example` at the root, for
    `https://app.example/auth` at `/auth`. RFC 8414 §3 looks for the metadata of the latter at
    `/.well-known/oauth-authorization-server/auth`: mount the same application at `/.well-known`
    too. What was asked for never decides what is said: that is the issuer's configured URL.
    more: members of the metadata for what else the issuer answers, such as its endpoints.
    """

    def __init__(self, auth: Issuer, *, more: Mapping[str, Any] | None = None) -> None:
        self._auth = auth
        self._more = dict(more or {})
        path = urlsplit(auth.issuer).path
        self._pages: dict[str, Callable[[], dict[str, Any]]] = {
            JWKS: self._jwks,
            path + JWKS: self._jwks,
            METADATA: self._metadata,
            METADATA + path: self._metadata,
            path + METADATA: self._metadata,
        }
        self._confirmations = (PATH, path + PATH) if keeps_records(auth) else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            try:
                answer = await self._answer(scope)
            except CounterfoilError as error:
                if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise  # a fault on this side, for the developer to see
                answer = _refusal(error)
            await _send(answer, send, is_head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope) -> Answer:
        page = next((self._pages[path] for path in _paths(scope) if path in self._pages), None)
        confirms = not {*self._confirmations}.isdisjoint(_paths(scope))
        if page is None and not confirms:
            raise NotFound("There is nothing at this address.")
        if scope["method"] not in _METHODS:
            refusal = _refusal(
                Malformed("This method is not for this address."), HTTPStatus.METHOD_NOT_ALLOWED
            )
            refusal.headers.append((b"allow", ", ".join(_METHODS).encode()))
            return refusal
        if page is None:
            return _private(await confirmed(self._auth, scope))
        return _published(page(), scope)

    def _jwks(self) -> dict[str, Any]:
        return self._auth.keys.public_keys().to_jwks()

    def _metadata(self) -> dict[str, Any]:
        """Only what there is. An issuer without an authorization endpoint has no response types,
        and RFC 8414 §2 requires the member."""
        issuer = self._auth.issuer
        said = {"issuer": issuer, "jwks_uri": issuer + JWKS, "response_types_supported": []}
        return {**said, **self._more}


def _paths(scope: Scope) -> tuple[str, str]:
    """The path within the mount, and the whole path; servers and routers differ in which they
    give. Where no mount is, they are the same."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if root and path.startswith(root + "/"):
        return path.removeprefix(root), path
    return path, root + path


def _published(members: dict[str, Any], scope: Scope) -> Answer:
    body = json.dumps(members, separators=(",", ":")).encode()
    etag = _etag(body)
    headers = [
        # Not application/jwk-set+json: every client takes this type.
        (b"content-type", b"application/json"),
        (b"cache-control", b"public, max-age=%d" % MAX_AGE),
        (b"etag", etag),
        (b"access-control-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if _is_known(etag, scope):
        return Answer(HTTPStatus.NOT_MODIFIED, headers[1:], b"")
    return Answer(HTTPStatus.OK, headers, body)


def _private(members: dict[str, Any]) -> Answer:
    """For whoever asked and nobody else; no page of another site may read it."""
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Cookie, Authorization"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return Answer(HTTPStatus.OK, headers, json.dumps(members, separators=(",", ":")).encode())


def _etag(body: bytes) -> bytes:
    return b'"%s"' % hashlib.sha256(body).hexdigest()[:16].encode()


def _is_known(etag: bytes, scope: Scope) -> bool:
    """Whether If-None-Match names it, compared weakly (RFC 9110 §13.1.2)."""
    values = [value for name, value in scope["headers"] if name == b"if-none-match"]
    tags = {tag.strip().removeprefix(b"W/") for tag in b",".join(values).split(b",")}
    return etag in tags or b"*" in tags


def _refusal(error: CounterfoilError, status: HTTPStatus | None = None) -> Answer:
    found = problem(error)
    if status is not None:
        found.body.update(status=status.value, title=status.phrase)
    return Answer(status or found.status, found.headers, json.dumps(found.body).encode())


async def _send(answer: Answer, send: Send, *, is_head: bool) -> None:
    headers = answer.headers
    if answer.status != HTTPStatus.NOT_MODIFIED:
        headers = [*headers, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})


async def _live(receive: Receive, send: Send) -> None:
    """Nothing to start and nothing to stop: the engine belongs to who made it."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
