"""An issuer at the other end of a wire, on which a test can have anything happen."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from counterfoil import BlockingCounterfoil, Client, MemoryStore, Verifier
from counterfoil.errors import CounterfoilError, IssuerUnavailable
from nodes import Answering, own_keys
from serving import Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from ssl import SSLContext

    from counterfoil import Opened
    from counterfoil.feeds.pump import Ready
    from counterfoil.status_feed import Question
    from nodes import Reply

SECOND: Final = timedelta(seconds=1)
Between: TypeAlias = "Callable[[socket.socket, str, Reply], Reply | None]"


@dataclass
class Issuer:
    """An engine of one `hybrid` client, and the server before it, which keeps lines open.

    between: what becomes of an answer. It may change it, or say None, and then the line is closed
    after whatever it has done there itself.
    """

    server: Server
    auth: BlockingCounterfoil
    node: Waited
    lines: int = 0
    between: Between = field(default=lambda _, __, reply: reply)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return self.server.url

    def open(self, subject: str = "ann") -> Opened:
        return self.auth.open(subject)

    def revoke(self, opened: Opened) -> None:
        self.auth.revoke(opened.session.id)

    def asked_for(self, path: str) -> list[str]:
        """The addresses below this one that were asked for."""
        paths = [head.split(" ", 2)[1] for head in self.server.asked]
        return [each for each in paths if each.startswith(path)]

    def serve(self, connection: socket.socket, head: str) -> None:
        """One line, for as long as it lasts."""
        self.lines += 1
        while head:
            path = head.split(" ", 2)[1]
            reply = self.node.reply(self.url + path)
            changed = self.between(connection, path, reply)
            if changed is None:
                return
            connection.sendall(said(*changed))
            head = self._next(connection)

    def _next(self, connection: socket.socket) -> str:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = connection.recv(65536)
            if not more:
                return ""
            head += more
        self.server.asked.append(head.decode("latin-1"))
        return self.server.asked[-1]

    def silent(self, *_: object) -> None:
        """In place of an answer: nothing, for as long as the test goes on."""
        self.over.wait(30)

    def at(self, place: str, between: Between) -> None:
        """Has this happen below one address; all else is answered."""
        self.between = lambda connection, path, reply: (
            between(connection, path, reply) if path.startswith(place) else reply
        )


def said(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An answer after which the line is kept."""
    lines = [f"HTTP/1.1 {status} Said", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join((*lines, "", "")).encode() + body


class Waited(Answering):
    """A node whose questions wait for as long as it really takes."""

    def ask(self, question: Question) -> str:
        ready: list[Ready] = []
        told = threading.Event()

        def deliver(what: Ready) -> None:
            ready.append(what)
            told.set()

        waiting = self.published.enter(question, deliver)
        told.wait(question.wait.total_seconds() + 2)
        self.published.pump.leave(waiting)
        if not ready:
            raise IssuerUnavailable("It has been closed.")
        return self.answered(question, ready[0])


@contextmanager
def wired(
    *, max_staleness: timedelta = 10 * SECOND, tls: SSLContext | None = None
) -> Iterator[Issuer]:
    """An issuer whose clock is the machine's."""
    server = Server(lambda *_: None, tls=tls)
    if tls is not None:
        server.url = f"https://localhost:{server.port}"
    client = Client(client_id="api", strategy="hybrid", max_staleness=max_staleness)
    auth = BlockingCounterfoil(
        issuer=server.url, store=MemoryStore(), clients=[client], keys=own_keys()
    )
    published = auth.published
    assert published is not None
    published.prepare()
    issuer = Issuer(server, auth, Waited(published))
    server.reply = issuer.serve
    try:
        yield issuer
    finally:
        issuer.over.set()
        published.pump.release()
        with suppress(CounterfoilError):
            published.feed.catch_up()
        server.stop()
        auth.close()


@contextmanager
def connected(issuer: Issuer, **settings: Any) -> Iterator[Verifier]:
    """A verifier that knows all."""
    with Verifier(issuer=issuer.url, **{"audience": "api", **settings}) as verifier:
        yield verifier


def refusal(verifier: Verifier, opened: Opened) -> type[Exception] | None:
    """What the verifier has against this credential."""
    try:
        verifier.check(opened.credential.token)
    except CounterfoilError as why:
        return type(why)
    return None
