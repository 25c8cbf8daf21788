"""The middleware: it checks once, the application above reads, refusals are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import verifying
from asking import Failing, ask, bearer, sent_with, who
from counterfoil import BlockingCounterfoil, JwtStrategy, MemoryStore
from counterfoil.errors import (
    ConfigurationError,
    CounterfoilError,
    CredentialMissing,
    Forbidden,
    KeysStale,
    SessionRevoked,
)
from counterfoil.integrations.asgi import (
    KEY,
    AuthMiddleware,
    auth_of,
    carriers_of,
    clock_of,
    current_session,
    optional_session,
    presented_of,
)
from scenes import EVERY_ID, KEYS, SECOND, SPA, WEB, Scene, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asking import Answer, App, Headers

CROSS = [(b"sec-fetch-site", b"cross-site")]


@pytest.fixture
def played() -> Iterator[Scene]:
    with scene() as made:
        yield made


def raising(error: Exception) -> App:
    async def app(*_: Any) -> None:
        raise error

    return app


@pytest.mark.parametrize("client_id", EVERY_ID)
async def test_the_application_reads_who_is_asking(played: Scene, client_id: str) -> None:
    """Whatever the client's strategy and carrier."""
    app = AuthMiddleware(who, played.auth)
    headers = sent_with(await played.open("ann", client_id))
    for path in ("/", "/maybe"):
        assert (await ask(app, headers, path=path)).text == "ann"


async def test_a_visitor_is_nobody_or_asked_to_sign_in(played: Scene) -> None:
    """Nothing presented: None where a session is optional, else 401 as a problem."""
    app = AuthMiddleware(who, played.auth)
    assert (await ask(app, path="/maybe")).text == "visitor"
    answer = await ask(app)
    assert (answer.status, answer.code) == (401, "credential_missing")
    assert answer.header("www-authenticate") == 'Bearer realm="counterfoil"'
    assert answer.header("content-length") == str(len(answer.body))


async def both(app: App, headers: Headers, *, method: str = "GET") -> tuple[str, str]:
    """What is said where a session is needed, and where it is optional."""
    answers = [await ask(app, headers, method=method, path=path) for path in ("/", "/maybe")]
    return said(answers[0]), said(answers[1])


def said(answer: Answer) -> str:
    return f"{answer.status} {answer.code}" if answer.is_problem else answer.text


async def test_a_cookie_whose_session_is_over_makes_a_visitor(played: Scene) -> None:
    """Every 401 about a cookie: the person is shown the page as anybody is."""
    app = AuthMiddleware(who, played.auth)
    opened = await played.open("ann", "web")
    await played.auth.revoke(opened.session.id)
    assert await both(app, sent_with(opened)) == ("401 session_revoked", "visitor")
    unread = [(b"cookie", b"__Host-cf_web=?")]
    assert await both(app, unread) == ("401 credential_malformed", "visitor")
    unknown = [(b"cookie", b"__Host-cf_web=cf_" + b"a" * 60)]
    assert (await both(app, unknown))[1] == "visitor"


async def test_a_bearer_header_authenticates_or_fails(played: Scene) -> None:
    """A program that presents a credential is not to go on as somebody else, or as nobody."""
    app = AuthMiddleware(who, played.auth)
    opened = await played.open("ann", "api")
    cookie = sent_with(await played.open("ann", "web"))
    await played.auth.revoke(opened.session.id)
    refused = "401 session_revoked"
    assert await both(app, sent_with(opened)) == (refused, refused)
    assert await both(app, [*sent_with(opened), *cookie]) == (refused, refused)
    malformed = "401 credential_malformed"
    assert await both(app, [(b"authorization", b"Basic YTpi")]) == (malformed, malformed)


async def test_another_site_gets_nothing_done_with_a_cookie(played: Scene) -> None:
    """An unsafe method that another site sent is 403 also where a session is optional."""
    app = AuthMiddleware(who, played.auth)
    headers = sent_with(await played.open("ann", "web"))
    refused = "403 cross_site"
    assert await both(app, [*headers, *CROSS], method="POST") == (refused, refused)
    assert await both(app, [*headers, *CROSS]) == ("ann", "ann")
    own = [(b"origin", b"https://other.example")]
    assert await both(app, [*headers, *own], method="POST") == (refused, refused)
    app = AuthMiddleware(who, played.auth, origins=["https://other.example"])
    assert await both(app, [*headers, *own], method="POST") == ("ann", "ann")


async def test_a_request_that_reads_in_two_ways_is_refused(played: Scene) -> None:
    """400: nobody knows whose it is."""
    app = AuthMiddleware(who, played.auth)
    twice = [(b"cookie", b"__Host-cf_web=a; __Host-cf_web=b")]
    assert await both(app, twice) == ("400 malformed", "400 malformed")


async def test_a_suspended_person_is_told_so(played: Scene) -> None:
    """403, also where a session is optional."""
    app = AuthMiddleware(who, played.auth)
    headers = sent_with(await played.open("ann", "web"))
    await played.auth.suspend("ann")
    assert await both(app, headers) == ("403 subject_suspended", "403 subject_suspended")


async def test_an_outage_makes_nobody_a_visitor() -> None:
    """Cannot know is 503 with Retry-After, wherever the session is read, and never anonymous."""
    store = MemoryStore()
    failing = Failing(store)
    with scene(store=store, face=failing) as played:
        app = AuthMiddleware(who, played.auth)
        headers = sent_with(await played.open("ann", "web"))
        failing.failing = {"look_up"}
        assert await both(app, headers) == ("503 store_unavailable", "503 store_unavailable")
        assert (await ask(app, headers)).header("retry-after") == "1"
        assert (await ask(app, headers, path="/static")).text == "nobody asked"


async def test_a_request_is_checked_once() -> None:
    """However often the session is read, and also when nobody reads it."""
    store = MemoryStore()
    counted = Failing(store)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert current_session(scope) is current_session(scope) is optional_session(scope)
        await who(scope, receive, send)

    with scene(store=store, face=counted) as played:
        headers = sent_with(await played.open("ann", "web"))
        counted.looked_up = 0
        assert (await ask(AuthMiddleware(app, played.auth), headers)).text == "ann"
        assert counted.looked_up == 1


async def test_the_error_of_the_check_is_raised_as_it_was(played: Scene) -> None:
    """The application may catch it by its kind."""
    opened = await played.open("ann", "api")
    await played.auth.revoke(opened.session.id)
    caught: list[CounterfoilError] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for ask_for in (current_session, optional_session):
            try:
                ask_for(scope)
            except CounterfoilError as why:
                caught.append(why)
        assert presented_of(scope) is not None
        await who({**scope, "path": "/static"}, receive, send)

    answer = await ask(AuthMiddleware(app, played.auth), sent_with(opened))
    assert answer.text == "nobody asked"
    assert isinstance(caught[0], SessionRevoked)
    assert caught[0] is caught[1]


async def test_without_the_middleware_nobody_is_anonymous() -> None:
    """A session that cannot be looked for is a wrong set-up, not a visitor."""
    for read in (current_session, optional_session, presented_of, auth_of, carriers_of, clock_of):
        with pytest.raises(ConfigurationError, match="AuthMiddleware"):
            read({"type": "http"})


def test_what_cannot_work_is_refused_when_it_is_built(played: Scene) -> None:
    """In a sentence on what to do."""
    blocking = BlockingCounterfoil(
        issuer="https://app.example", strategy=JwtStrategy(audience="app"), keys=KEYS
    )
    with pytest.raises(ConfigurationError, match="not a BlockingCounterfoil"):
        AuthMiddleware(who, blocking)  # type: ignore[arg-type] # that is the point
    with pytest.raises(ConfigurationError, match="No client has the audience nobody"):
        AuthMiddleware(who, played.auth, audience="nobody")
    for client_id in ("nobody", "api"):
        with pytest.raises(ConfigurationError, match=f"No cookie client is named {client_id}"):
            AuthMiddleware(who, played.auth, client_id=client_id)
    with verifying.scene() as remote:
        for more in ({"audience": "a"}, {"client_id": "web"}, {"origins": ["https://a.example"]}):
            with pytest.raises(ConfigurationError, match="a Verifier nothing else"):
                AuthMiddleware(who, remote.verifier, **more)


async def test_credentials_of_another_audience_are_refused(played: Scene) -> None:
    """An application names its own where an engine has clients of several."""
    app = AuthMiddleware(who, played.auth, audience="api")
    assert await both(app, sent_with(await played.open("ann", "api"))) == ("ann", "ann")
    partner = sent_with(await played.open("ann", "partner"))
    assert await both(app, partner) == ("401 wrong_audience", "401 wrong_audience")
    web = sent_with(await played.open("ann", "web"))
    assert await both(app, web) == ("401 wrong_audience", "visitor")


async def test_of_two_clients_cookies_the_named_one_counts() -> None:
    """Two applications on one host see each other's cookies, as `__Host-` has no path."""
    with scene(WEB, SPA) as played:
        sent = [sent_with(await played.open(each, each)) for each in ("web", "spa")]
        headers = [(b"cookie", b"; ".join(value for ((_, value),) in sent))]
        for client_id in ("web", "spa"):
            app = AuthMiddleware(who, played.auth, client_id=client_id)
            assert await both(app, headers) == (client_id, client_id)
        app = AuthMiddleware(who, played.auth)
        assert await both(app, headers) == ("400 malformed", "400 malformed")


async def test_refusals_of_the_application_are_problems(played: Scene) -> None:
    """Also its own; HEAD has the headers alone."""
    app = AuthMiddleware(raising(Forbidden("Not on Sundays.")), played.auth)
    got, head = await ask(app), await ask(app, method="HEAD")
    assert (got.status, got.code, got.json["detail"]) == (403, "forbidden", "Not on Sundays.")
    assert got.header("vary") == "Cookie, Authorization"
    assert got.header("cache-control") == "no-store"
    assert (head.status, head.headers, head.body) == (403, got.headers, b"")


async def test_a_refusal_in_a_group_is_answered_as_itself(played: Scene) -> None:
    """A task of the application raised it, and its task group wrapped it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(who(scope, receive, send))

    answer = await ask(AuthMiddleware(app, played.auth))
    assert (answer.status, answer.code) == (401, "credential_missing")
    outage: Exception = KeysStale()
    for _ in range(3):
        outage = ExceptionGroup("", [outage])
    assert (await ask(AuthMiddleware(raising(outage), played.auth))).status == 503
    several = ExceptionGroup("", [Forbidden(), ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        await ask(AuthMiddleware(raising(several), played.auth))
    assert caught.value is several


@pytest.mark.parametrize(
    "error", [ConfigurationError("Mend it."), CounterfoilError(), ValueError()]
)
async def test_faults_are_shown_to_the_developer(played: Scene, error: Exception) -> None:
    """A wrong set-up and any other exception go on as they came."""
    with pytest.raises(type(error)) as caught:
        await ask(AuthMiddleware(raising(error), played.auth))
    assert caught.value is error


async def test_an_answer_that_has_begun_is_not_begun_again(played: Scene) -> None:
    """The server above is left to end it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await who({**scope, "path": "/static"}, receive, send)
        raise Forbidden

    with pytest.raises(Forbidden):
        await ask(AuthMiddleware(app, played.auth))


async def test_starting_and_stopping_pass_by(played: Scene) -> None:
    """Only requests and handshakes are looked at."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    scope, receive, send = {"type": "lifespan"}, object(), object()
    await AuthMiddleware(app, played.auth)(scope, receive, send)  # type: ignore[arg-type] # as they are
    assert seen == [(scope, receive, send)]
    assert KEY not in scope


async def test_headers_that_can_be_read_once_are_kept(played: Scene) -> None:
    """ASGI promises no list; an absent Origin would let a request pass."""
    given = [*sent_with(await played.open("ann", "web")), *CROSS]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": iter(given)}
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await who(scope, receive, send)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await AuthMiddleware(app, played.auth)(scope, None, send)  # type: ignore[arg-type] # receives nothing
    assert (seen, sent[0]["status"]) == (given, 403)


async def test_the_application_reaches_what_it_needs(played: Scene) -> None:
    """To sign in and out: the engine, the carriers, and what was presented."""
    opened = await played.open("ann", "web")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert auth_of(scope) is played.auth
        assert clock_of(scope) is played.clock
        assert carriers_of(scope).origins == {"https://app.example"}
        presented = presented_of(scope)
        assert presented is not None
        assert (presented.text, presented.client_id) == (opened.credential.token, "web")
        await who(scope, receive, send)

    assert (await ask(AuthMiddleware(app, played.auth), sent_with(opened))).text == "ann"


async def test_a_service_that_only_verifies_looks_at_bearer_headers_alone() -> None:
    """A cookie is not its business, whatever it holds; what is refused there is refused here."""
    with verifying.scene(keys_max_age=60 * SECOND) as remote:
        app = AuthMiddleware(who, remote.verifier)
        token = remote.token()
        assert await both(app, bearer(token)) == ("user-17", "user-17")
        cookie = [(b"cookie", b"__Host-cf_web=" + token.encode())]
        assert await both(app, cookie) == ("401 credential_missing", "visitor")
        other = bearer(remote.token(aud="other"))
        assert await both(app, other) == ("401 wrong_audience", "401 wrong_audience")
        remote.server.stop()
        remote.clock.advance(61 * SECOND)
        assert await both(app, bearer(token)) == (f"503 {KeysStale.code}", f"503 {KeysStale.code}")


async def test_a_service_that_only_verifies_signs_nobody_in() -> None:
    """There is no engine to reach; its clock is there."""
    with verifying.scene() as remote:

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert clock_of(scope) is remote.clock
            with pytest.raises(CredentialMissing):
                current_session(scope)
            for read in (auth_of, carriers_of):
                with pytest.raises(ConfigurationError, match="the Counterfoil"):
                    read(scope)
            await who({**scope, "path": "/static"}, receive, send)

        assert (await ask(AuthMiddleware(app, remote.verifier))).text == "nobody asked"
