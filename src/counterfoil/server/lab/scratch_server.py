"""A scratch server, in a process of its own: the standalone server as it is, with lifetimes of
seconds, over a store in a temporary folder. Every answer says which store calls it took."""

from __future__ import annotations

import shutil
import signal
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import IdentifierTaken
from counterfoil.server.composition import TABLES, compose
from counterfoil.server.lab.child import given, say, when_told_to_end
from counterfoil.server.lab.registered import ADMINISTRATOR, CLIENTS
from counterfoil.server.operations import logs
from counterfoil.server.operations.metrics import Durations, Metrics
from counterfoil.server.operations.signals import SignalledServer
from counterfoil.server.passwords.hashing import HashProfile, PasswordHasher
from counterfoil.server.serving import collect_seldom, listen, run, web_config
from counterfoil.server.settings import Settings
from counterfoil.server.storing import opened
from counterfoil.server.tables.clients import ClientRows
from counterfoil.stores.migrations import migrate

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TIMING: Final = b"server-timing"
ALL: Final = "app"
# The server follows its own store for all requests together, whether any come or not.
_FOLLOWING: Final = frozenset({"feed", "sweep"})
_noted: ContextVar[list[tuple[str, float]] | None] = ContextVar("noted", default=None)


class _Noted(Durations):
    """Observes as the one it stands for, and notes each call for the request that it was for."""

    def __init__(self, former: Durations) -> None:
        super().__init__(former._family)  # noqa: SLF001 - the same family, under its name

    def observe(self, label: str, seconds: float) -> None:
        super().observe(label, seconds)
        noted = _noted.get()
        if noted is not None and label not in _FOLLOWING:
            noted.append((label, seconds))


class _Timed:
    """Says in `Server-Timing` how long the answer took, and each call of the store for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted: list[tuple[str, float]] = []
        _noted.set(noted)
        began = perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                spans = [(ALL, perf_counter() - began), *noted]
                told = ", ".join(f"{name};dur={seconds * 1000:.4f}" for name, seconds in spans)
                message = {**message, "headers": [*message["headers"], (TIMING, told.encode())]}
            await send(message)

        await self._app(scope, receive, send_timed)


async def _serve(told: dict[str, Any]) -> None:
    folder = Path(told["data"])
    logs.configure("warning")
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    settings = Settings(
        host="127.0.0.1", port=port, data=folder, issuer=told["issuer"], registration="open"
    )
    await _prepare(settings)
    metrics = Metrics()
    metrics.store_seconds = _Noted(metrics.store_seconds)
    hasher = PasswordHasher(HashProfile(**told["hashing"]))
    server = await compose(settings, hasher=hasher, metrics=metrics)
    with suppress(IdentifierTaken):  # by another node of the same store
        await server.accounts.register(ADMINISTRATOR, told["password"], roles=["admin"])
    config = web_config(server)
    config.app = _Timed(config.app)  # type: ignore[arg-type] # uvicorn calls it a callable or a name

    def ready() -> None:
        collect_seldom()
        say(port=port)

    web = SignalledServer(
        config, ready=ready, readiness=server.readiness, keys=server.keys, drain=timedelta(0)
    )
    when_told_to_end(lambda: web.stop(signal.SIGINT))
    await web.serve(sockets=sockets)


async def _prepare(settings: Settings) -> None:
    """The clients, as `counterfoil clients add` would."""
    store = opened(settings).tables
    try:
        await migrate(store.rows, component="server", package=TABLES)
        rows = ClientRows(store.rows, settings.lifetime)
        for client in CLIENTS:
            await rows.add(client, at=datetime.now(UTC), own_lifetime=True)
    finally:
        await store.close()


def main() -> None:
    """What the process runs."""
    told = given()
    try:
        run(_serve(told))
    finally:
        if told["removes"]:
            shutil.rmtree(told["removes"], ignore_errors=True)


if __name__ == "__main__":
    main()
