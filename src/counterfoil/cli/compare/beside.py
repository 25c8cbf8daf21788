"""What is done beside the server, by its own parts: clients are registered, sessions opened, the
store is filled. To sign in so many people by password would take hours."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from counterfoil import handle as handles
from counterfoil import session as sessions
from counterfoil.cli.interruptions import running
from counterfoil.client import Client
from counterfoil.events import of_session
from counterfoil.lifetime import Lifetime
from counterfoil.outcome import Opened
from counterfoil.ports import Commit
from counterfoil.server.composition import Server, compose
from counterfoil.server.settings import load
from counterfoil.subject import SubjectState

_AT_ONCE: Final = 64
_BATCH: Final = 500


class Beside:
    """The parts of a server over the same store and keys."""

    def __init__(self, server: Server, runner: asyncio.Runner) -> None:
        self._server = server
        self._runner = runner

    def register(self, client: Client) -> None:
        rows, now = self._server.client_rows, self._server.auth.clock.now()
        self._runner.run(rows.add(client, at=now, own_lifetime=True))

    def open(self, client_id: str, count: int = 1) -> list[Opened]:
        """Sessions as the engine opens them, each of another subject."""
        return self._runner.run(self._opened(client_id, count))

    def fill(self, client_id: str, count: int, *, progress: Callable[[int], None]) -> int:
        """Adds so many records as a sign-in writes them, with their subjects and events, many in
        one commit. Returns their number."""
        return self._runner.run(self._filled(client_id, count, progress))

    async def _opened(self, client_id: str, count: int) -> list[Opened]:
        found: list[Opened] = []
        while len(found) < count:
            names = (_somebody() for _ in range(min(_AT_ONCE, count - len(found))))
            opening = (self._server.auth.open(name, client_id=client_id) for name in names)
            found += await asyncio.gather(*opening)
        return found

    async def _filled(self, client_id: str, count: int, progress: Callable[[int], None]) -> int:
        done = 0
        while done < count:
            wanted = min(_BATCH, count - done)
            done += wanted if await self._server.store.commit(self._batch(client_id, wanted)) else 0
            progress(done)
        return done

    def _batch(self, client_id: str, count: int) -> Commit:
        now, kept = self._server.auth.clock.now(), self._server.keys.handle_secrets()
        records = []
        for _ in range(count):
            handle = handles.first(
                handles.new_session_id(secrets.token_bytes(handles.SESSION_ID_BYTES)),
                secret=secrets.token_bytes(handles.SECRET_BYTES),
                secrets=kept,
            )
            records.append(
                sessions.opened(
                    handle,
                    subject=_somebody(),
                    client_id=client_id,
                    lifetime=Lifetime(),
                    device="",
                    now=now,
                )
            )
        return Commit(
            sessions=tuple(records),
            subjects=tuple(SubjectState(subject=each.subject).moved() for each in records),
            events=tuple(of_session("session_opened", each, now, {}) for each in records),
        )


@contextmanager
def beside(data: Path, issuer: str, address: str) -> Iterator[Beside]:
    """The parts of the server whose folder that is. address: of a store that is not in it."""
    settings = load({"data": data, "issuer": issuer, "store": address or None}, environment={})
    with running() as runner:
        server = runner.run(compose(settings, sweeps=False))
        try:
            yield Beside(server, runner)
        finally:
            runner.run(server.close())


def _somebody() -> str:
    return f"person-{secrets.token_hex(8)}"
