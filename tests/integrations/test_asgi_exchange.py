"""What leaves: headers of answers that depend on a credential, and handshakes that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asking import DENIAL, ask, bearer, say, sent_with, shake, who
from counterfoil.errors import (
    AuthError,
    Forbidden,
    NotFound,
    SessionRevoked,
    StatusStale,
    Unavailable,
)
from counterfoil.integrations.asgi import (
    AuthMiddleware,
    auth_of,
    carriers_of,
    current_session,
    optional_session,
    presented_of,
)
from counterfoil.integrations.asgi_exchange import unshared
from scenes import Scene, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asking import App, Headers


@pytest.fixture
def played() -> Iterator[Scene]:
    with scene() as made:
        yield made


# Answers.


async def test_an_answer_for_which_the_session_was_read_is_for_nobody_else(played: Scene) -> None:
    """A cache must neither keep it nor give it to another person, a visitor included."""
    app = AuthMiddleware(who, played.auth)
    headers = sent_with(await played.open("ann", "web"))
    for sent, path in ((headers, "/"), (headers, "/maybe"), ([], "/maybe"), ([], "/")):
        answer = await ask(app, sent, path=path)
        assert answer.header("cache-control") == "no-store"
        assert answer.header("vary") == "Cookie, Authorization"


async def test_an_answer_for_which_nobody_asked_is_left_alone(played: Scene) -> None:
    """Stylesheets stay in caches, also for people who are signed in."""
    app = AuthMiddleware(who, played.auth)
    answer = await ask(app, sent_with(await played.open("ann", "web")), path="/static")
    assert answer.headers == [(b"content-type", b"text/plain")]


@pytest.mark.parametrize("client_id", ["web", "spa"])
async def test_an_answer_that_hands_out_a_credential_is_for_nobody_else(
    played: Scene, client_id: str
) -> None:
    """Also a GET that nobody read the session for: a shared cache may keep a Set-Cookie, and
    would sign others in with it (RFC 9111 §7.3)."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive
        auth, carriers = auth_of(scope), carriers_of(scope)
        opened = await auth.open("ann", client_id=client_id)
        cookies = carriers.set_cookies(opened, now=auth.clock.now())
        if scope["path"] == "/out":
            cookies = carriers.clear_cookies(client_id)
        own = [(b"Set-Cookie", value) for _, value in cookies]
        await say("welcome", send, [*own, (b"cache-control", b"public, max-age=60")])

    for path in ("/", "/out"):
        answer = await ask(AuthMiddleware(app, played.auth), path=path)
        assert answer.header("cache-control") == "no-store"
        assert answer.header("vary") == "Cookie, Authorization"


async def test_an_application_that_asks_for_the_credential_itself_has_read_it(
    played: Scene,
) -> None:
    """What it says then depends on that, as with `confirm`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive
        presented = presented_of(scope)
        found = presented and await auth_of(scope).confirm(presented)
        await say(found.subject if found else "visitor", send)

    for headers in (sent_with(await played.open("ann", "api")), []):
        answer = await ask(AuthMiddleware(app, played.auth), headers)
        assert answer.text == ("ann" if headers else "visitor")
        assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    "name",
    [b"CDN-Cache-Control", b"surrogate-control", b"Acme-CDN-Cache-Control", b"x-accel-expires"],
)
def test_what_some_caches_believe_before_cache_control_does_not_stay(name: bytes) -> None:
    """RFC 9213: a targeted field takes the place of Cache-Control in the caches it is for."""
    made = unshared([(b"x-own", b"1"), (name, b"max-age=60")])
    assert made == unshared([(b"x-own", b"1")])


@pytest.mark.parametrize(
    ("given", "control", "vary"),
    [
        ([], b"no-store", b"Cookie, Authorization"),
        ([(b"Vary", b"Accept")], b"no-store", b"Accept, Cookie, Authorization"),
        ([(b"vary", b"cookie")], b"no-store", b"cookie, Authorization"),
        ([(b"vary", b"a"), (b"vary", b"b, Cookie")], b"no-store", b"a, b, Cookie, Authorization"),
        ([(b"vary", b"*")], b"no-store", b"*"),
        ([(b"vary", b"Accept, *")], b"no-store", b"Accept, *"),
        ([(b"Cache-Control", b"public, max-age=60")], b"no-store", b"Cookie, Authorization"),
        (
            [(b"cache-control", b"private,No-Store")],
            b"private, No-Store",
            b"Cookie, Authorization",
        ),
    ],
)
def test_what_the_application_says_to_caches_is_merged(
    given: Headers, control: bytes, vary: bytes
) -> None:
    """Its Vary stays; what would let a cache keep the answer does not."""
    others = [(b"etag", b'"a"'), (b"x-own", b"1")]
    made = unshared([others[0], *given, others[1]])
    assert made == [*others, (b"cache-control", control), (b"vary", vary)]


async def test_the_message_of_the_application_is_not_changed(played: Scene) -> None:
    """It may send the same one again, to somebody else."""
    start = {"type": "http.response.start", "status": 200, "headers": ((b"x-own", b"1"),)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive, optional_session(scope)
        await send(start)
        await send({"type": "http.response.body"})

    answer = await ask(AuthMiddleware(app, played.auth))
    assert len(answer.headers) == 3
    assert start["headers"] == ((b"x-own", b"1"),)


# Handshakes.


def chat(scope_error: Exception | None = None, *, accepted: bool = True) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive
        if accepted:
            await send({"type": "websocket.accept"})
        if scope_error:
            raise scope_error
        subject = current_session(scope).subject
        await send({"type": "websocket.send", "text": subject})
        await send({"type": "websocket.close", "code": 1000})

    return app


async def test_a_websocket_is_checked_as_a_request_is(played: Scene) -> None:
    """By the credential of its handshake, header or cookie."""
    app = AuthMiddleware(chat(), played.auth)
    for client_id in ("api", "web"):
        headers = sent_with(await played.open("ann", client_id))
        sent = await shake(app, headers)
        assert [message.get("text") for message in sent] == [None, "ann", None]
        assert sent[0] == {"type": "websocket.accept"}


async def test_another_site_opens_no_websocket_with_a_cookie(played: Scene) -> None:
    """A handshake is a GET, yet what follows may do anything."""
    headers = sent_with(await played.open("ann", "web"))
    app = AuthMiddleware(chat(accepted=False), played.auth)
    for other in ((b"origin", b"https://evil.example"), (b"sec-fetch-site", b"cross-site")):
        sent = await shake(app, [*headers, other], extensions=DENIAL)
        assert (sent[0]["status"], b"cross_site" in sent[1]["body"]) == (403, True)
    own = (b"origin", b"https://app.example")
    assert (await shake(app, [*headers, own]))[0]["text"] == "ann"


async def test_a_refused_handshake_is_answered_where_the_server_can(played: Scene) -> None:
    """As a problem, by ASGI's extension; else the handshake is closed."""
    app = AuthMiddleware(chat(accepted=False), played.auth)
    start, body = await shake(app, bearer("a.b.c"), extensions=DENIAL)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert b'"code"' in body["body"]
    (closed,) = await shake(app, bearer("a.b.c"))
    assert closed["type"] == "websocket.close"


@pytest.mark.parametrize(
    ("error", "code"),
    [(SessionRevoked(), 3000), (Forbidden(), 3003), (StatusStale(), 1013), (NotFound(), 1008)],
)
async def test_a_websocket_that_is_open_is_closed_with_the_reason(
    played: Scene, error: AuthError | Unavailable, code: int
) -> None:
    """By the codes that say so; what has none of its own is a violated policy."""
    sent = await shake(AuthMiddleware(chat(error), played.auth), extensions=DENIAL)
    assert sent[1:] == [{"type": "websocket.close", "code": code, "reason": error.code}]


async def test_a_websocket_that_was_closed_is_not_closed_again(played: Scene) -> None:
    """What is raised then goes on."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = scope, receive
        await send({"type": "websocket.close", "code": 1000})
        raise Forbidden

    with pytest.raises(Forbidden):
        await shake(AuthMiddleware(app, played.auth))


async def test_what_is_said_after_the_start_passes_as_it_is(played: Scene) -> None:
    """Bodies, trailers and whatever ASGI may have one day."""
    odd = {"type": "http.response.trailers", "headers": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive, optional_session(scope)
        await say("a", send)
        await send(odd)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await AuthMiddleware(app, played.auth)(scope, None, send)  # type: ignore[arg-type] # receives nothing
    assert sent[2] is odd
