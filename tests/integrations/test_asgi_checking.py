"""Cookie clients are kept signed in: their credentials are renewed in the request that needs it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from asking import Browser, Failing, ask, bearer, browser, say, who
from counterfoil import Client, Counterfoil, MemoryStore, Presented, SqliteStore
from counterfoil.errors import Forbidden
from counterfoil.integrations.asgi import (
    AuthMiddleware,
    auth_of,
    carriers_of,
    current_session,
    optional_session,
    presented_of,
    renewed_of,
)
from scenes import ISSUER, KEYS, SPA, WEB, Roles, scene, with_lifetime

if TYPE_CHECKING:
    from pathlib import Path

    from asking import Answer, App

NAMES = {"__Host-cf_spa", "__Host-cf_spa_r"}
KIOSK = Client(client_id="kiosk", strategy="jwt", carrier="cookie")
EXPIRED = timedelta(minutes=6)
CROSS = [(b"sec-fetch-site", b"cross-site")]


@pytest.mark.parametrize("client", [SPA, KIOSK], ids=lambda client: client.strategy)
@pytest.mark.parametrize("left", ["both", "the refresh cookie"])
@pytest.mark.parametrize("path", ["/", "/maybe", "/static"])
async def test_an_expired_token_is_renewed_in_silence(client: Client, left: str, path: str) -> None:
    """The request is served, and its answer sets both cookies; the next one needs nothing."""
    with scene(client) as played:
        opened = await played.open("ann", client.client_id)
        ann = browser(AuthMiddleware(who, played.auth), opened)
        before = dict(ann.cookies)
        played.advance(EXPIRED)
        if left != "both":
            del ann.cookies[f"__Host-cf_{client.client_id}"]
        answer = await ann.get(path)
        assert answer.text == ("nobody asked" if path == "/static" else "ann")
        assert set(answer.cookies) == set(before)
        assert not set(answer.cookies.values()) & set(before.values())
        assert answer.header("cache-control") == "no-store"
        assert answer.header("vary") == "Cookie, Authorization"
        assert (await ann.get("/")).cookies == {}


async def test_stale_claims_are_renewed_in_silence() -> None:
    """A role that was given counts at once, without signing in anew."""
    roles = Roles()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive
        await say(",".join(current_session(scope).roles), send)

    with scene(SPA, claims=roles) as played:
        ann = browser(AuthMiddleware(app, played.auth), await played.open("ann", "spa"))
        assert (await ann.get()).text == ""
        roles.of["ann"] = ["admin"]
        await played.auth.claims_changed("ann")
        answer = await ann.get()
        assert (answer.text, set(answer.cookies)) == ("admin", NAMES)


async def test_a_token_of_a_distrusted_key_is_renewed_in_silence() -> None:
    """The handle proves the session by itself; else distrust would sign everybody out."""
    with scene(SPA, keys=MemoryStore().default_keys()) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "spa"))
        kid = played.auth.keys.signing_keys().active("ES256").kid
        played.auth.keys.update(lambda keys: keys.distrust(kid, now=played.now))
        answer = await ann.get()
        assert (answer.text, set(answer.cookies)) == ("ann", NAMES)


async def test_a_session_gets_a_new_handle_when_privileges_change() -> None:
    """Whoever knew the old one shall not have the new role (fixation)."""
    roles = Roles()
    with scene(WEB, claims=roles) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "web"))
        before = dict(ann.cookies)
        await played.auth.claims_changed("ann")
        answer = await ann.get()
        assert (answer.text, set(answer.cookies)) == ("ann", set(before))
        assert ann.cookies != before
        assert (await ann.get()).cookies == {}
        played.advance(WEB.lifetime.grace + timedelta(seconds=1))
        assert (await browser(ann.app, await played.open("bob", "web")).get()).text == "bob"
        assert (await Browser(ann.app, before).get()).code == "refresh_reused"


async def test_a_handle_that_cannot_be_replaced_now_is_replaced_later() -> None:
    """The check has its answer already; an outage of writes, or a lost race, takes nothing away."""
    store = MemoryStore()
    failing = Failing(store)
    with scene(WEB, store=store, face=failing) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "web"))
        await played.auth.claims_changed("ann")
        failing.failing = {"commit"}
        answer = await ann.get()
        assert (answer.text, answer.cookies) == ("ann", {})
        failing.failing = set()
        assert set((await ann.get()).cookies) == {"__Host-cf_web"}


async def test_a_handle_that_a_step_up_replaced_is_left_alone() -> None:
    """A request that was under way with the handle from before passes, and gets no cookie."""
    with scene(WEB) as played:
        opened = await played.open("ann", "web")
        ann = browser(AuthMiddleware(who, played.auth), opened)
        await played.auth.step_up(opened.credential.token)
        await played.auth.claims_changed("ann")
        answer = await ann.get()
        assert (answer.text, answer.cookies) == ("ann", {})


async def test_the_application_is_given_the_credential_that_counts() -> None:
    """For the engine's verbs: a new token, or the handle that is current until the answer."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen[:] = [presented_of(scope), renewed_of(scope)]
        assert (await auth_of(scope).confirm(seen[0])).subject == "ann"
        await who({**scope, "path": "/static"}, receive, send)

    with scene(SPA, WEB) as played:
        for client_id in ("spa", "web"):
            ann = browser(AuthMiddleware(app, played.auth), await played.open("ann", client_id))
            await ann.get()
            assert seen[1:] == [None]
            before = ann.cookies[f"__Host-cf_{client_id}"]
            await played.auth.claims_changed("ann")
            await ann.get()
            assert before != ann.cookies[f"__Host-cf_{client_id}"]
            text = seen[1].credential.token if client_id == "spa" else before
            assert seen[0] == Presented(text, "cookie", client_id)


async def test_of_two_clients_refresh_cookies_the_named_ones_counts() -> None:
    """Without a name nobody goes on as the other person because their own token went first."""
    with scene(SPA, KIOSK) as played:
        opened = [await played.open("ann", "spa"), await played.open("bob", "kiosk")]
        app = AuthMiddleware(who, played.auth, client_id="spa")
        both = Browser(app, {**browser(app, opened[1]).cookies, **browser(app, opened[0]).cookies})
        played.advance(EXPIRED)
        answer = await both.get()
        assert (answer.text, set(answer.cookies)) == ("ann", NAMES)
        for name in ("spa", "kiosk"):
            del both.cookies[f"__Host-cf_{name}"]
        answer = await both.get()
        assert (answer.text, set(answer.cookies)) == ("ann", NAMES)
        del both.cookies["__Host-cf_spa"]
        both.app = AuthMiddleware(who, played.auth)
        both.cookies["__Host-cf_kiosk"] = opened[1].credential.token
        for path in ("/", "/maybe"):
            assert (await both.get(path)).code == "malformed"


async def test_a_bearer_client_renews_by_itself() -> None:
    """Its answers have no place for a credential: the refusal tells it to refresh."""
    with scene() as played:
        opened = await played.open("ann", "api")
        headers = bearer(opened.credential.token)
        played.advance(EXPIRED)
        cookies = browser(who, await played.open("bob", "spa")).headers()
        answer = await ask(AuthMiddleware(who, played.auth), [*headers, *cookies])
        assert (answer.code, answer.cookies) == ("credential_expired", {})
        phone = await played.open("ann", "phone")
        await played.auth.claims_changed("ann")
        answer = await ask(AuthMiddleware(who, played.auth), bearer(phone.credential.token))
        assert (answer.text, answer.cookies) == ("ann", {})
        assert (await played.record(phone)).generation == 0


async def test_a_lost_refresh_leaves_the_refusal_and_the_cookies() -> None:
    """The loser of a race never clears what the winner has just set."""
    with scene(SPA) as played:
        opened = await played.open("ann", "spa")
        ann = browser(AuthMiddleware(who, played.auth), opened)
        played.advance(EXPIRED)
        for handle in ("cf_" + "a" * 60, "?"):
            ann.cookies["__Host-cf_spa_r"] = handle
            answer = await ann.get()
            assert (answer.code, answer.cookies) == ("credential_expired", {})
            answer = await ann.get("/maybe")
            assert (answer.text, answer.cookies) == ("visitor", {})
        ann.cookies["__Host-cf_spa_r"] = str(opened.credential.refresh_handle)
        assert (await ann.get()).text == "ann"
        played.advance(EXPIRED)
        spent = browser(ann.app, opened)
        answer = await spent.get()
        assert (answer.code, answer.cookies) == ("credential_expired", {})
        assert (await played.kinds())[-1] == "refresh_reused"


async def test_a_token_without_a_refresh_cookie_stays_expired() -> None:
    """Also where there is no store, which gives none."""
    with scene(KIOSK) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "kiosk"))
        del ann.cookies["__Host-cf_kiosk_r"]
        played.advance(EXPIRED)
        assert (await ann.get()).code == "credential_expired"
        assert (await ann.get("/maybe")).text == "visitor"


async def test_a_revoked_session_is_not_renewed() -> None:
    """Neither while its token lives nor after; and the cookies stay, which harm nobody."""
    with scene(SPA) as played:
        opened = await played.open("ann", "spa")
        ann = browser(AuthMiddleware(who, played.auth), opened)
        await played.auth.revoke(opened.session.id)
        assert (await ann.get()).code == "session_revoked"
        played.advance(EXPIRED)
        answer = await ann.get()
        assert (answer.code, answer.cookies) == ("credential_expired", {})
        assert (await ann.get("/maybe")).text == "visitor"


async def test_a_suspended_person_is_told_so_after_expiry_too() -> None:
    """What renewing says and expiry does not: 403 before and after."""
    with scene(SPA) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "spa"))
        await played.auth.suspend("ann")
        assert (await ann.get("/maybe")).code == "subject_suspended"
        played.advance(EXPIRED)
        assert (await ann.get("/maybe")).code == "subject_suspended"


async def test_an_outage_while_renewing_makes_nobody_a_visitor() -> None:
    """503, and the next request renews."""
    store = MemoryStore()
    failing = Failing(store)
    with scene(SPA, store=store, face=failing) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "spa"))
        played.advance(EXPIRED)
        failing.failing = {"look_up"}
        for path in ("/", "/maybe"):
            answer = await ann.get(path)
            assert (answer.status, answer.code) == (503, "store_unavailable")
        failing.failing = set()
        assert (await ann.get()).text == "ann"


async def test_a_handle_from_when_there_was_a_store_renews_nothing() -> None:
    """The application gave it up; browsers still send the cookie, and are visitors."""
    with scene(KIOSK) as played:
        opened = await played.open("ann", "kiosk")
        played.advance(EXPIRED)
        without = Counterfoil(issuer=ISSUER, clients=[KIOSK], keys=KEYS, clock=played.clock)
        ann = browser(AuthMiddleware(who, without), opened)
        assert (await ann.get()).code == "credential_expired"
        assert (await ann.get("/maybe")).text == "visitor"


async def test_another_site_renews_nothing() -> None:
    """The cross-site rule holds for the refresh cookie, alone and beside the other."""
    with scene(SPA) as played:
        ann = browser(AuthMiddleware(who, played.auth), await played.open("ann", "spa"))
        played.advance(EXPIRED)
        for path in ("/", "/maybe"):
            answer = await ann.get(path, method="POST", headers=CROSS)
            assert (answer.code, answer.cookies) == ("cross_site", {})
        del ann.cookies["__Host-cf_spa"]
        for path in ("/", "/maybe"):
            answer = await ann.get(path, method="POST", headers=CROSS)
            assert (answer.code, answer.cookies) == ("cross_site", {})
        assert (await ann.get(method="POST")).text == "ann"


async def test_a_new_credential_that_does_not_pass_reaches_the_client_all_the_same() -> None:
    """Its handle is the one that counts from now on."""
    with scene(SPA, WEB) as played:
        opened = await played.open("ann", "spa")
        app = AuthMiddleware(who, played.auth, audience="web")
        ann = browser(app, opened)
        del ann.cookies["__Host-cf_spa"]
        answer = await ann.get()
        assert (answer.code, set(answer.cookies)) == ("wrong_audience", NAMES)
        other = Browser(AuthMiddleware(who, played.auth), ann.cookies)
        assert (await other.get()).text == "ann"


async def test_where_the_application_signs_in_or_out_its_cookies_count() -> None:
    """Ours are not added to them: neither name is there twice, and bob is not ann."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _ = receive, optional_session(scope)
        carriers, auth = carriers_of(scope), auth_of(scope)
        if scope["path"] == "/out":
            presented = presented_of(scope)
            assert presented is not None
            assert (await auth.revoke_presented(presented)).count == 1
            await say("out", send, carriers.clear_cookies("spa"))
        else:
            opened = await auth.open("bob")
            await say("in", send, carriers.set_cookies(opened, now=auth.clock.now()))

    with scene(SPA) as played:
        ann = browser(AuthMiddleware(app, played.auth), await played.open("ann", "spa"))
        played.advance(EXPIRED)
        assert (await ann.get("/in")).cookies == ann.cookies
        assert (await Browser(AuthMiddleware(who, played.auth), ann.cookies).get()).text == "bob"
        played.advance(EXPIRED)
        assert set((await ann.get("/out")).cookies.values()) == {""}
        assert ann.cookies == {}


def failing_with(error: Exception) -> App:
    async def app(*_: Any) -> None:
        raise error

    return app


async def test_new_cookies_are_set_beside_a_refusal() -> None:
    """The application says no, and the client is renewed all the same."""
    with scene(SPA) as played:
        app = AuthMiddleware(failing_with(Forbidden()), played.auth)
        ann = browser(app, await played.open("ann", "spa"))
        played.advance(EXPIRED)
        answer = await ann.get()
        assert (answer.code, set(answer.cookies)) == ("forbidden", NAMES)


async def test_no_handle_is_spent_for_an_answer_that_never_begins() -> None:
    """The application fails, and whoever answers for it sets no cookie: the one that the browser
    has is still good, however much later it comes."""
    with scene(SPA) as played:
        app: Any = AuthMiddleware(failing_with(ZeroDivisionError()), played.auth)
        ann = browser(app, await played.open("ann", "spa"))
        played.advance(EXPIRED)
        with pytest.raises(ZeroDivisionError):
            await ann.get()
        played.advance(EXPIRED)
        answer = await Browser(AuthMiddleware(who, played.auth), ann.cookies).get()
        assert (answer.text, set(answer.cookies)) == ("ann", NAMES)


@pytest.mark.parametrize("client_id", ["spa", "web"])
async def test_a_slow_answer_spends_no_handle_that_others_still_bring(client_id: str) -> None:
    """It takes longer than the grace, and the browser asks again with the cookies that it has."""
    with scene(SPA, WEB) as played:
        opened = await played.open("ann", client_id)
        meanwhile: list[Answer] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/slow":
                assert current_session(scope).subject == "ann"
                played.advance(EXPIRED)
                quick = browser(AuthMiddleware(who, played.auth), opened)
                meanwhile.append(await quick.get())
            await who({**scope, "path": "/"}, receive, send)

        if client_id == "web":
            await played.auth.claims_changed("ann")  # so that it is due for a new handle
        else:
            played.advance(EXPIRED)
        answer = await browser(AuthMiddleware(app, played.auth), opened).get("/slow")
        assert (answer.text, meanwhile[0].text) == ("ann", "ann")
        assert (await played.record(opened)).ended_at is None
        handle = {"spa": "__Host-cf_spa_r", "web": "__Host-cf_web"}[client_id]
        assert answer.cookies[handle] == meanwhile[0].cookies[handle]


# Many at once.


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("left", ["both", "the refresh cookie"])
async def test_parallel_requests_of_an_expired_client_are_all_served(
    kind: str, left: str, tmp_path: Path
) -> None:
    """Twenty tabs at once end with one handle and nobody signed out, then and after the grace."""
    store: Any = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "app.db")
    spa = with_lifetime(SPA, grace=timedelta(seconds=10))
    with scene(spa, store=store) as played:
        opened = await played.open("ann", "spa")
        app = AuthMiddleware(who, played.auth)
        played.advance(EXPIRED)
        tabs = [browser(app, opened) for _ in range(20)]
        if left != "both":
            for tab in tabs:
                del tab.cookies["__Host-cf_spa"]
        answers = await asyncio.gather(*(tab.get() for tab in tabs))
        assert {answer.text for answer in answers} == {"ann"}
        assert {frozenset(answer.cookies) for answer in answers} == {frozenset(NAMES)}
        assert len({tab.cookies["__Host-cf_spa_r"] for tab in tabs}) == 1
        record = await played.record(opened)
        assert (record.generation, record.ended_at) == (1, None)
        played.advance(EXPIRED)
        assert (await tabs[-1].get()).text == "ann"
        assert len(await played.auth.sessions("ann")) == 1
