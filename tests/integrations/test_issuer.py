"""What an issuer publishes: its keys and its metadata, where RFC 7517 and 8414 look for them."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from counterfoil import BlockingCounterfoil, Counterfoil, JwtStrategy, MemoryStore, Verifier
from counterfoil.errors import ConfigurationError, KeysStale
from counterfoil.integrations.issuer import IssuerApp
from counterfoil.keys import PUBLISH_AHEAD, PublicKeySet
from counterfoil.stores.memory import MemoryKeys
from forging import KEYS, NOW
from getting import ask
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

JWKS: Final = "/.well-known/jwks.json"
METADATA: Final = "/.well-known/oauth-authorization-server"
HOST: Final = "https://app.example"


class Own(MemoryKeys):
    """Keys that were made once for all tests."""

    def __init__(self) -> None:
        self._set = KEYS
        self._lock = Lock()


def engine(issuer: str = HOST, keys: MemoryKeys | None = None) -> Counterfoil:
    return Counterfoil(
        issuer=issuer,
        store=MemoryStore(),
        strategy=JwtStrategy(audience="api"),
        keys=keys or Own(),
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(lambda _: IssuerApp(engine())) as found:
        yield found


def test_the_keys_are_published_whole_and_public(url: str) -> None:
    """Next and retiring keys too, and no private member."""
    answer = ask(url, JWKS)
    assert answer.status == 200
    assert PublicKeySet.from_jwks(answer.json) == KEYS.public()
    assert not {"d", "p", "q", "k"} & {name for key in answer.json["keys"] for name in key}


def test_the_keys_may_be_kept_for_5_minutes_and_read_by_pages(url: str) -> None:
    """A cache on the way and a verifier's own 5 minutes stay below the time of publishing ahead."""
    headers = ask(url, JWKS).headers
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "public, max-age=300"
    assert headers["access-control-allow-origin"] == "*"
    assert timedelta(seconds=300 + 300) < PUBLISH_AHEAD


def test_the_metadata_says_what_there_is_and_no_more(url: str) -> None:
    """RFC 8414 §2; there are no endpoints of OAuth yet."""
    answer = ask(url, METADATA)
    assert answer.json == {
        "issuer": HOST,
        "jwks_uri": HOST + JWKS,
        "response_types_supported": [],
    }
    assert answer.headers["content-type"] == "application/json"


def test_what_is_asked_for_never_decides_what_is_said(url: str) -> None:
    """The issuer comes from configuration, never from Host."""
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=e"}
    assert b"evil" not in ask(url, METADATA, headers=spoofed).body


@pytest.mark.parametrize("path", [JWKS, METADATA])
def test_head_answers_as_get_without_the_body(url: str, path: str) -> None:
    """RFC 9110 §9.3.2; the length is that of the body which GET has."""
    head, get = ask(url, path, method="HEAD"), ask(url, path)
    del head.headers["date"], get.headers["date"]
    assert (head.status, head.headers, head.body) == (200, get.headers, b"")
    assert head.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize("before", ["", 'W/"x", ', 'W/"x",W/'])
def test_what_the_asker_has_is_not_sent_again(url: str, before: str) -> None:
    """By ETag, in every form of If-None-Match."""
    etag = ask(url, JWKS).headers["etag"]
    answer = ask(url, JWKS, headers={"If-None-Match": before + etag})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert ask(url, JWKS, headers={"If-None-Match": "*"}).status == 304
    assert ask(url, JWKS, headers={"If-None-Match": '"x"'}).status == 200


def test_a_rotation_shows_at_once_and_changes_the_etag() -> None:
    """What was published before stays published; one key is new."""
    auth = engine()
    with serving(lambda _: IssuerApp(auth)) as url:
        before = ask(url, JWKS)
        auth.keys.update(lambda keys: keys.rotate("ES256", now=NOW))
        after = ask(url, JWKS, headers={"If-None-Match": before.headers["etag"]})
    assert after.status == 200
    kids = [{key["kid"] for key in answer.json["keys"]} for answer in (before, after)]
    assert kids[0] < kids[1]
    assert len(kids[1]) == len(kids[0]) + 1


def test_a_distrusted_key_is_gone_at_once() -> None:
    """Whoever asks from now on does not believe it."""
    auth = engine()
    kid = KEYS.active("ES256").kid
    with serving(lambda _: IssuerApp(auth)) as url:
        auth.keys.update(lambda keys: keys.distrust(kid, now=NOW))
        assert kid not in {key["kid"] for key in ask(url, JWKS).json["keys"]}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_for_this(url: str, method: str) -> None:
    """405 with Allow, as a problem."""
    answer = ask(url, JWKS, method=method)
    assert answer.status == answer.json["status"] == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/jwks.json", JWKS + "/", JWKS + "x", "/status/lists/a"])
def test_elsewhere_there_is_nothing(url: str, path: str) -> None:
    """404 as a problem with a code."""
    for method in ("GET", "HEAD", "POST"):
        answer = ask(url, path, method=method)
        assert answer.status == 404
        assert answer.headers["cache-control"] == "no-store"
        assert method == "HEAD" or answer.json["code"] == "not_found"


def test_keys_that_cannot_be_read_are_503() -> None:
    """Cannot know is never an empty set, which verifiers would take for the truth."""

    class Unreadable(Own):
        def public_keys(self) -> PublicKeySet:
            raise KeysStale(retry_after=timedelta(seconds=3))

    with serving(lambda _: IssuerApp(engine(keys=Unreadable()))) as url:
        answer = ask(url, JWKS)
    assert (answer.status, answer.json["code"]) == (503, "keys_stale")
    assert answer.headers["retry-after"] == "3"


async def test_a_fault_of_the_set_up_is_shown_to_the_developer() -> None:
    """Answered here as 500, it would stand in no log."""

    class Wrong(Own):
        def public_keys(self) -> PublicKeySet:
            raise ConfigurationError("Mend the keys.")

    scope = {"type": "http", "method": "GET", "path": JWKS, "headers": []}
    with pytest.raises(ConfigurationError, match="Mend the keys"):
        await asgi(IssuerApp(engine(keys=Wrong())), scope)


@contextmanager
def mounted(at: tuple[str, ...], path: str) -> Iterator[tuple[str, Counterfoil]]:
    """An application whose issuer has this path, with the keys mounted at these places."""
    engines: list[Counterfoil] = []

    def app(url: str) -> Starlette:
        engines.append(engine(url + path))
        issuer = IssuerApp(engines[0])
        return Starlette(routes=[Mount(place, issuer) for place in at])

    with serving(app) as url:
        yield url, engines[0]


def test_an_issuer_with_a_path_is_found_where_the_rfc_looks() -> None:
    """RFC 8414 §3 puts the well-known part before the path; many put it after."""
    with mounted(("/auth", "/.well-known"), "/auth") as (url, auth):
        said = {"issuer": f"{url}/auth", "jwks_uri": f"{url}/auth{JWKS}"}
        for path in (f"{METADATA}/auth", f"/auth{METADATA}"):
            assert ask(url, path).json == {**said, "response_types_supported": []}
        assert ask(url, f"/auth{JWKS}").json == auth.keys.public_keys().to_jwks()
        assert ask(url, f"{METADATA}/other").status == 404
        with Verifier(issuer=auth.issuer, audience="api"):
            pass


@pytest.mark.parametrize("place", ["", "/auth"])
def test_a_verifier_finds_the_keys_wherever_the_issuer_lives(place: str) -> None:
    """Given the issuer's URL and nothing else."""
    with mounted((place,), place) as (_, auth), Verifier(issuer=auth.issuer, audience="api"):
        pass


async def asgi(app: IssuerApp, scope: dict[str, Any], *received: str) -> list[Any]:
    sent: list[Any] = []
    waiting = iter(received)

    async def receive() -> dict[str, Any]:
        return {"type": next(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("", "/auth" + JWKS),
        ("", JWKS),
        ("/auth", "/auth" + JWKS),
        ("/auth", JWKS),
        ("/auth/", "/auth" + JWKS),
        ("/proxy", "/proxy" + JWKS),
        ("/.well-known", "/.well-known/oauth-authorization-server/auth"),
        ("/.well-known", "/oauth-authorization-server/auth"),
    ],
)
async def test_it_is_found_however_a_router_tells_the_mount(root: str, path: str) -> None:
    """Some leave the mount's path in `path`, some take it out, and proxies strip it unsaid."""
    app = IssuerApp(engine(f"{HOST}/auth"))
    scope = {"type": "http", "method": "GET", "root_path": root, "path": path, "headers": []}
    start, _ = await asgi(app, scope)
    assert start["status"] == 200


async def test_it_lives_with_a_server_and_refuses_web_sockets() -> None:
    """Served by itself it starts and stops quietly."""
    app = IssuerApp(engine())
    sent = await asgi(app, {"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown")
    assert [said["type"] for said in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert await asgi(app, {"type": "websocket"}) == [{"type": "websocket.close"}]


def test_a_blocking_engine_is_an_issuer_too() -> None:
    """Flask and Django mount the same application."""
    auth = BlockingCounterfoil(
        issuer=HOST, store=MemoryStore(), strategy=JwtStrategy(audience="api"), keys=Own()
    )
    with serving(lambda _: IssuerApp(auth)) as url:
        assert ask(url, METADATA).json["issuer"] == HOST
