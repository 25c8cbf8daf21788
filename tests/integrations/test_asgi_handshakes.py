"""WebSockets of cookie clients: their handshake renews where its answer can carry the cookies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from asking import DENIAL, browser, set_by, shake
from counterfoil.integrations.asgi import AuthMiddleware, optional_session
from scenes import SPA, WEB, scene

NAMES = {"__Host-cf_spa", "__Host-cf_spa_r"}
EXPIRED = timedelta(minutes=6)


async def chat(scope: Any, receive: Any, send: Any) -> None:
    _ = receive
    if optional_session(scope) is None:
        await send({"type": "websocket.close", "code": 4401})
    elif (b"x-room", b"full") in scope["headers"]:
        await send({"type": "websocket.close", "code": 4403})
    else:
        await send({"type": "websocket.accept", "headers": [(b"x-own", b"1")]})


async def test_a_handshake_renews_too() -> None:
    """Its answer sets both cookies, and has no headers for caches, which never keep it."""
    with scene(SPA) as played:
        ann = browser(AuthMiddleware(chat, played.auth), await played.open("ann", "spa"))
        played.advance(EXPIRED)
        (accepted,) = await shake(ann.app, ann.headers(), extensions=DENIAL)
        assert accepted["type"] == "websocket.accept"
        assert set_by(accepted) == NAMES
        assert {name for name, _ in accepted["headers"]} == {b"x-own", b"set-cookie"}


async def test_a_handshake_that_is_refused_after_renewing_sets_the_cookies() -> None:
    """Closing has no headers, so it is answered 403 instead."""
    with scene(SPA) as played:
        ann = browser(AuthMiddleware(chat, played.auth), await played.open("ann", "spa"))
        played.advance(EXPIRED)
        headers = [*ann.headers(), (b"x-room", b"full")]
        start, body = await shake(ann.app, headers, extensions=DENIAL)
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
        assert set_by(start) == NAMES
        assert body["type"] == "websocket.http.response.body"


async def test_nothing_is_renewed_where_an_answer_might_carry_no_cookies() -> None:
    """A server that can only close a handshake would lose the new handle with it."""
    with scene(SPA, WEB) as played:
        app = AuthMiddleware(chat, played.auth)
        spa, web = await played.open("ann", "spa"), await played.open("ann", "web")
        played.advance(EXPIRED)
        await played.auth.claims_changed("ann")
        closed = await shake(app, browser(app, spa).headers())
        assert closed == [{"type": "websocket.close", "code": 4401}]
        (accepted,) = await shake(app, browser(app, web).headers())
        assert accepted["headers"] == [(b"x-own", b"1")]
        assert {(await played.record(each)).generation for each in (spa, web)} == {0}
