"""One middleware within another: an application mounted in an application."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from asking import ask, browser, sent_with, who
from counterfoil.errors import AuthError
from counterfoil.integrations.asgi import (
    AuthMiddleware,
    auth_of,
    current_session,
    optional_session,
    presented_of,
    renewed_of,
)
from scenes import API, PHONE, SPA, WEB, scene, with_lifetime

if TYPE_CHECKING:
    from asking import App
    from scenes import Scene

EXPIRED = timedelta(minutes=6)
CROSS = [(b"sec-fetch-site", b"cross-site")]
NAMES = {"__Host-cf_spa", "__Host-cf_spa_r"}


async def test_two_engines_in_one_application_do_not_mix() -> None:
    """The innermost middleware is the one that is read."""
    with scene(API) as outer, scene(PHONE) as inner:
        app = AuthMiddleware(AuthMiddleware(who, inner.auth), outer.auth)
        assert (await ask(app, sent_with(await inner.open("ann", "phone")))).text == "ann"
        assert (await ask(app, sent_with(await outer.open("ann", "api")))).status == 401


async def test_what_lies_between_two_engines_reads_the_outer_one() -> None:
    """Before what it wraps has answered, and after: nobody becomes another engine's subject."""
    seen: list[Any] = []

    def between(app: App) -> App:
        async def reading(scope: Any, receive: Any, send: Any) -> None:
            for step in (lambda: app(scope, receive, send), None):
                found = optional_session(scope)
                seen.append((auth_of(scope), found and found.subject))
                if step is not None:
                    await step()

        return reading

    with scene(WEB) as outer, scene(SPA) as inner:
        app = AuthMiddleware(between(AuthMiddleware(who, inner.auth)), outer.auth)
        ann = browser(app, await outer.open("ann", "web"))
        ann.cookies |= browser(app, await inner.open("bob", "spa")).cookies
        assert (await ann.get()).text == "bob"
        assert seen == [(outer.auth, "ann")] * 2


def twice(app: App, played: Scene, **inner: Any) -> App:
    return AuthMiddleware(AuthMiddleware(app, played.auth, **inner), played.auth)


@pytest.mark.parametrize("left", ["both", "the refresh cookie"])
async def test_the_same_engine_twice_renews_once(left: str) -> None:
    """The handle that came is spent when the inner one reads it: without a grace that would end
    the session."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen[:] = [presented_of(scope), renewed_of(scope)]
        await who(scope, receive, send)

    with scene(with_lifetime(SPA, grace=timedelta(0))) as played:
        opened = await played.open("ann", "spa")
        ann = browser(twice(app, played), opened)
        played.advance(EXPIRED)
        if left != "both":
            del ann.cookies["__Host-cf_spa"]
        answer = await ann.get()
        assert (answer.text, set(answer.cookies)) == ("ann", NAMES)
        assert seen[0].text == seen[1].credential.token
        assert await played.kinds() == ["session_opened", "session_refreshed"]
        assert (await ann.get()).cookies == {}


async def test_the_same_engine_twice_replaces_a_handle_once() -> None:
    """As privileges changed: the inner one checks the new handle."""
    with scene(with_lifetime(WEB, grace=timedelta(0))) as played:
        ann = browser(twice(who, played), await played.open("ann", "web"))
        await played.auth.claims_changed("ann")
        answer = await ann.get()
        assert (answer.text, set(answer.cookies)) == ("ann", {"__Host-cf_web"})
        assert (await ann.get()).text == "ann"
        kinds = await played.kinds()
        assert kinds == ["session_opened", "claims_changed", "session_refreshed"]


async def test_what_was_renewed_is_checked_by_the_inner_ones_own_settings() -> None:
    """Its audience, its client, and which sites are its own."""
    codes: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            current_session(scope)
        except AuthError as why:
            codes.append(why.code)
        await who({**scope, "path": "/static"}, receive, send)

    with scene(SPA, WEB) as played:
        opened = await played.open("ann", "spa")
        for settings in ({"audience": "web"}, {"client_id": "web"}):
            ann = browser(twice(app, played, **settings), opened)
            del ann.cookies["__Host-cf_spa"]
            assert set((await ann.get()).cookies) == NAMES
        assert codes == ["wrong_audience", "credential_missing"]
        origin = "https://www.example"
        inner = AuthMiddleware(app, played.auth)
        ann = browser(AuthMiddleware(inner, played.auth, origins=[origin]), opened)
        del ann.cookies["__Host-cf_spa"]
        await ann.get(method="POST", headers=[(b"origin", origin.encode())])
        assert codes[2:] == ["cross_site"]
