"""WebSockets whose credential ends: what the peer is sent, and how the application finds out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from asking import DENIAL, sent_with
from counterfoil.errors import Forbidden
from counterfoil.integrations import asgi_live
from counterfoil.integrations.asgi import (
    AuthMiddleware,
    current_session,
    optional_session,
    presented_of,
)
from peers import Peer
from scenes import API, PARTNER, PHONE, SPA, WEB, Scene, scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asking import App
    from counterfoil import Opened

REVOKED = (3000, "session_revoked")
MINUTE = timedelta(minutes=1)


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def played() -> Iterator[Scene]:
    with scene() as made:
        yield made


class Chat:
    """An application that answers what it is told; `found` is how each connection ended for it."""

    def __init__(self, *, reads: Callable[[Any], object] | None = current_session) -> None:
        self.found: list[Any] = []
        self._reads = reads

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        if self._reads:
            self._reads(scope)
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})
        self.found.append(message)


async def connected(played: Scene, app: App, opened: Opened, **more: Any) -> Peer:
    return await Peer(AuthMiddleware(app, played.auth), sent_with(opened), **more).open()


@pytest.mark.parametrize("client_id", ["web", "phone", "api", "spa"])
async def test_a_revocation_closes_it(played: Scene, client_id: str) -> None:
    """With the code of 401 and the stable code as its reason; the application finds that the peer
    has gone, as at any other time."""
    chat = Chat()
    opened = await played.open("ann", client_id)
    peer = await connected(played, chat, opened)
    peer.text("hello")
    await peer.until(lambda: peer.texts == ["HELLO"])
    await played.auth.revoke(opened.session.id)
    assert await peer.closed() == REVOKED
    await peer.over()
    told = {"type": "websocket.disconnect", "code": 3000, "reason": "session_revoked"}
    assert chat.found == [told]


@pytest.mark.parametrize("client_id", ["api", "partner"])
async def test_an_expired_token_closes_it(played: Scene, client_id: str) -> None:
    """To a client that means: refresh, and connect again."""
    peer = await connected(played, Chat(), await played.open("ann", client_id))
    played.advance(6 * MINUTE)
    assert await peer.closed() == (3000, "credential_expired")
    await peer.over()


async def test_changed_claims_close_it_and_so_does_a_suspension(played: Scene) -> None:
    """Roles that were read when it was opened are not those of now."""
    peer = await connected(played, Chat(), await played.open("ann", "web"))
    await played.auth.claims_changed("ann")
    assert await peer.closed() == (3000, "claims_stale")
    await peer.over()
    peer = await connected(played, Chat(), await played.open("ann", "web"))
    await played.auth.suspend("ann")
    assert await peer.closed() == (3003, "subject_suspended")
    await peer.over()


async def test_what_cannot_be_known_closes_it_for_a_later_try() -> None:
    """Nobody is left connected by an outage, and nobody is told to sign in."""
    with scene(API) as played:
        peer = await connected(played, Chat(), await played.open("ann", "api"))
        played.auth._parts.feed.catch_up = _fails  # type: ignore[union-attr, method-assign] # noqa: SLF001
        played.auth._parts.feed.make_up = _fails  # type: ignore[union-attr, method-assign] # noqa: SLF001
        played.clock.advance(timedelta(seconds=10))
        assert await peer.closed() == (1013, "status_stale")
        await peer.over()


def _fails() -> None:
    raise OSError


# Who depends on the session.


@pytest.mark.parametrize("reads", [current_session, optional_session, presented_of])
async def test_whoever_reads_the_session_depends_on_it(
    played: Scene, reads: Callable[[Any], object]
) -> None:
    """Or its credential, which it may have checked by itself."""
    opened = await played.open("ann", "web")
    peer = await connected(played, Chat(reads=reads), opened)
    await played.auth.revoke(opened.session.id)
    assert await peer.closed() == REVOKED
    await peer.over()


async def test_a_public_connection_goes_on(played: Scene) -> None:
    """Nobody has asked who it is; a visitor's has nothing that could end."""
    opened = await played.open("ann", "web")
    public = await connected(played, Chat(reads=None), opened)
    visitor = await Peer(AuthMiddleware(Chat(reads=optional_session), played.auth), []).open()
    await played.auth.revoke(opened.session.id)
    await asyncio.sleep(0.1)
    for peer in (public, visitor):
        peer.text("still there")
        await peer.until(lambda peer=peer: peer.texts == ["STILL THERE"])  # type: ignore[misc]
        peer.say({"type": "websocket.disconnect", "code": 1005})
        await peer.over()


async def test_whoever_reads_late_is_told_how_it_is_by_then(played: Scene) -> None:
    """What the handshake found may be long over. Read in time, it counts from then on."""

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": current_session(scope).subject})

    opened = await played.open("ann", "web")
    reader = await connected(played, late, opened)
    reader.text("who")
    await reader.until(lambda: reader.texts == ["ann"])
    silent = await connected(played, late, opened)
    await played.auth.revoke(opened.session.id)
    assert await reader.closed() == REVOKED
    await asyncio.sleep(0.1)
    silent.text("who")
    assert await silent.closed() == REVOKED
    assert silent.texts == []
    for peer in (reader, silent):
        await peer.over()


# Whatever the application is doing.


async def test_one_that_only_sends_is_stopped(played: Scene) -> None:
    """Nothing of what it sends later leaves; `send` fails as it does when a peer has gone."""
    raised: list[BaseException] = []

    async def ticking(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0)
        except OSError as gone:
            raised.append(gone)
            raise

    opened = await played.open("ann", "web")
    peer = await connected(played, ticking, opened)
    await played.auth.revoke(opened.session.id)
    assert (await peer.over())["reason"] == "session_revoked"
    assert len(raised) == 1


async def test_one_that_waits_for_something_else_is_closed_all_the_same(played: Scene) -> None:
    """The peer is told at once; the application finds out when it sends or receives again."""
    over = asyncio.Event()

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})
        await over.wait()
        await send({"type": "websocket.send", "text": "too late"})

    opened = await played.open("ann", "web")
    peer = await connected(played, busy, opened)
    await played.auth.revoke(opened.session.id)
    assert await peer.closed() == REVOKED
    assert not peer.is_over
    over.set()
    await peer.over()
    assert peer.texts == []


async def test_what_the_peer_sent_before_the_end_is_not_acted_upon_after_it(played: Scene) -> None:
    """Also by an application that asks again after it was told that the peer has gone."""
    got: list[Any] = []
    go = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})
        await go.wait()
        got.extend([await receive(), await receive()])

    opened = await played.open("ann", "web")
    peer = await connected(played, slow, opened)
    peer.text("delete everything")
    await played.auth.revoke(opened.session.id)
    await peer.closed()
    go.set()
    peer.say({"type": "websocket.disconnect", "code": 3000, "reason": "echoed"})
    await peer.over()
    assert [each["type"] for each in got] == ["websocket.disconnect", "websocket.disconnect"]
    assert [each["reason"] for each in got] == ["session_revoked", "echoed"]


async def test_a_peer_that_does_not_read_holds_nobody_up(
    played: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are closed at once. It can be told nothing, so its application is let go, and the
    server with it, after a moment."""
    monkeypatch.setattr(asgi_live, "PATIENCE", 0.2)
    chat = Chat()
    opened = await played.open("ann", "web")
    stuck, *others = [await connected(played, chat, opened) for _ in range(3)]
    stuck.reads.clear()
    stuck.text("an answer that nobody reads")
    await asyncio.sleep(0.05)
    await played.auth.revoke(opened.session.id)
    for peer in others:
        assert await peer.closed() == REVOKED
        await peer.over()
    await stuck.over()
    assert stuck.sent == [{"type": "websocket.accept"}]


async def test_several_tasks_of_one_application_all_find_out(played: Scene) -> None:
    """One that receives and one that sends are both let go."""

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})

        async def speak() -> None:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0.01)

        async def listen() -> None:
            while (await receive())["type"] != "websocket.disconnect":
                pass

        async with asyncio.TaskGroup() as group:
            group.create_task(speak())
            group.create_task(listen())

    opened = await played.open("ann", "web")
    peer = await connected(played, both, opened)
    await played.auth.revoke(opened.session.id)
    assert (await peer.over())["code"] == 3000


async def test_servers_that_do_not_raise_swallow_what_is_sent_later(played: Scene) -> None:
    """Before ASGI 2.4 nobody raises; the application learns it where it receives."""
    chat = Chat()

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})
        for _ in range(1000):
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.001)
        await send({"type": "websocket.close", "code": 1000})

    opened = await played.open("ann", "web")
    peer = await connected(played, deaf, opened, spec="2.3")
    await played.auth.revoke(opened.session.id)
    assert (await peer.over())["reason"] == "session_revoked"
    assert not chat.found


async def test_an_application_that_closes_or_goes_on_raising_adds_nothing(played: Scene) -> None:
    """Its close comes too late and harms nothing; a refusal that it lets through has been told to
    the peer; any other error is its own."""
    for raised in (None, Forbidden(), ValueError("a fault")):

        async def app(scope: Any, receive: Any, send: Any, raised: Any = raised) -> None:
            await receive()
            current_session(scope)
            await send({"type": "websocket.accept"})
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            if raised:
                raise raised

        opened = await played.open("ann", "web")
        peer = await connected(played, app, opened)
        await played.auth.revoke(opened.session.id)
        if isinstance(raised, ValueError):
            with pytest.raises(ValueError, match="a fault"):
                await peer.over()
        else:
            await peer.over()
        assert [each["type"] for each in peer.sent] == ["websocket.accept", "websocket.close"]


# What ends by itself.


async def test_one_that_has_ended_by_itself_is_not_closed_again(played: Scene) -> None:
    """By the peer, by the application, by an error; nothing of it stays (see `quick`)."""

    async def closing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        await asyncio.sleep(0.2)

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        current_session(scope)
        await send({"type": "websocket.accept"})
        raise ValueError("a fault")

    opened = await played.open("ann", "web")
    gone = await connected(played, Chat(), opened)
    closed = await connected(played, closing, opened)
    with pytest.raises(ValueError, match="a fault"):
        await (await connected(played, failing, opened)).over()
    gone.say({"type": "websocket.disconnect", "code": 1001})
    await gone.over()
    await played.auth.revoke(opened.session.id)
    await closed.over()
    assert [each["type"] for each in gone.sent] == ["websocket.accept"]
    assert [each.get("code") for each in closed.sent] == [None, 1000]


async def test_one_that_is_cancelled_leaves_nothing(played: Scene) -> None:
    """As servers do that are told to stop."""
    opened = await played.open("ann", "web")
    peer = await connected(played, Chat(), opened)
    peer._running.cancel()  # type: ignore[union-attr] # noqa: SLF001 - as a server that stops
    with pytest.raises(asyncio.CancelledError):
        await peer.over()


async def test_a_handshake_whose_session_is_over_is_refused_and_not_closed(played: Scene) -> None:
    """Before it is accepted nothing is live: it is answered as a request is."""
    opened = await played.open("ann", "web")
    await played.auth.revoke(opened.session.id)
    peer = await connected(played, Chat(), opened)
    assert (await peer.over())["type"] == "websocket.close"
    assert len(peer.sent) == 1


async def test_one_that_was_renewed_in_its_handshake_goes_by_the_new_credential() -> None:
    """The one that came had expired."""
    with scene(SPA, PARTNER, PHONE, WEB) as played:
        opened = await played.open("ann", "spa")
        played.advance(6 * MINUTE)
        peer = await connected(played, Chat(), opened, extensions=DENIAL)
        peer.text("hello")
        await peer.until(lambda: peer.texts == ["HELLO"])
        played.advance(6 * MINUTE)
        assert await peer.closed() == (3000, "credential_expired")
        await peer.over()


async def test_two_middlewares_around_each_other_close_once(played: Scene) -> None:
    """Each follows what it has checked."""
    opened = await played.open("ann", "web")
    peer = await connected(played, AuthMiddleware(Chat(), played.auth), opened)
    await played.auth.revoke(opened.session.id)
    await peer.over()
    assert [each["type"] for each in peer.sent] == ["websocket.accept", "websocket.close"]
