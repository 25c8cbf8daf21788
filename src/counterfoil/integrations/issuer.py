"""What an issuer has for verifiers, as an ASGI application to mount: keys, metadata, status lists
and their feed, `confirm`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from urllib.parse import urlsplit

from counterfoil.blocking import BlockingCounterfoil
from counterfoil.engine import Counterfoil
from counterfoil.errors import CounterfoilError, Malformed, NotFound
from counterfoil.integrations import answers
from counterfoil.integrations.confirming import PATH, Confirming, confirmed, keeps_records
from counterfoil.integrations.problem import status_of
from counterfoil.integrations.status import AGGREGATION, StatusPages, Uncounted

if TYPE_CHECKING:
    from counterfoil.feeds.published import Published
    from counterfoil.integrations.answers import Answer
    from counterfoil.integrations.status import Register
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

    @property
    def published(self) -> Published | None: ...


class IssuerApp:
    """Serves the JWK Set (RFC 7517) and the metadata (RFC 8414) of an issuer; where there is a
    store, answers `Verifier.confirm` at `/v1/session?confirm=true`; where a client is `hybrid`,
    serves the status lists at `/status/lists` and their feed at `/status/feed`.

    Mount it where the issuer's URL points: for `https://app.example` at the root, for
    `https://app.example/auth` at `/auth`. RFC 8414 §3 looks for the metadata of the latter at
    `/.well-known/oauth-authorization-server/auth`: mount the same application at `/.well-known`
    too. What was asked for never decides what is said: that is the issuer's configured URL.
    more: members of the metadata for what else the issuer answers, such as its endpoints.
    register: keeps count of who polls the feed, and knows verifiers by name; without one nobody
    has a name, for an engine knows no secrets of clients. workers: how many processes serve this
    issuer from one database; with several, and with a database across a network, an acknowledgement
    leaves the others a moment to hear.
    """

    def __init__(
        self,
        auth: Issuer,
        *,
        more: Mapping[str, Any] | None = None,
        register: Register | None = None,
        workers: int = 1,
    ) -> None:
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
        published = auth.published
        self._status: StatusPages | None = None
        if published is not None:
            is_alone = workers == 1 and not published.feed.is_aside
            self._status = StatusPages(published, path, register or Uncounted(), is_alone=is_alone)
        if self._status is not None and isinstance(auth, Counterfoil):
            auth.acknowledge_after(self._status.told)
        elif self._status is not None and isinstance(auth, BlockingCounterfoil):
            auth.acknowledge_after(self._status.told_in_thread)

    def release(self) -> None:
        """Answers at once all who wait for news: for a server that is to stop."""
        if self._status is not None:
            self._status.release()

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
                answer = answers.refusal(error)
            await answers.send(answer, send, is_head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope) -> Answer:
        paths = _paths(scope)
        page = next((self._pages[path] for path in paths if path in self._pages), None)
        confirms = not {*self._confirmations}.isdisjoint(paths)
        status = self._status.at(paths) if self._status is not None else None
        if page is None and status is None and not confirms:
            raise NotFound("There is nothing at this address.")
        if scope["method"] not in _METHODS:
            return _not_allowed()
        if page is not None:
            return answers.document(page(), scope, max_age=MAX_AGE)
        if status is not None:
            return await status(scope)
        return answers.private(await confirmed(self._auth, scope))

    def _jwks(self) -> dict[str, Any]:
        return self._auth.keys.public_keys().to_jwks()

    def _metadata(self) -> dict[str, Any]:
        """Only what there is. An issuer without an authorization endpoint has no response types,
        and RFC 8414 §2 requires the member."""
        issuer = self._auth.issuer
        said = {"issuer": issuer, "jwks_uri": issuer + JWKS, "response_types_supported": []}
        if self._status is not None:
            said["status_list_aggregation_endpoint"] = issuer + AGGREGATION
        return {**said, **self._more}


def _not_allowed() -> Answer:
    refused = answers.refusal(
        Malformed("This method is not for this address."), HTTPStatus.METHOD_NOT_ALLOWED
    )
    refused.headers.append((b"allow", ", ".join(_METHODS).encode()))
    return refused


def _paths(scope: Scope) -> tuple[str, str]:
    """The path within the mount, and the whole path; servers and routers differ in which they
    give. Where no mount is, they are the same."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if root and path.startswith(root + "/"):
        return path.removeprefix(root), path
    return path, root + path


async def _live(receive: Receive, send: Send) -> None:
    """Nothing to start and nothing to stop: the engine belongs to who made it."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
