"""Runs the application: sockets, uvicorn, and what a person at the terminal is told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import os
import resource
import secrets
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from counterfoil.errors import ConfigurationError, IdentifierTaken, NotFound, SignInRefused
from counterfoil.server.app import application
from counterfoil.server.composition import Server, compose
from counterfoil.server.operations import logs
from counterfoil.server.operations.requests import Requests
from counterfoil.server.operations.signals import SignalledServer
from counterfoil.server.settings import Settings
from counterfoil.server.wire import Wire

DEMO: Final = "demo"
BACKLOG: Final = 2048
FINISH_WITHIN: Final = 20  # seconds that requests under way have, once nothing new is accepted
MOST_FILES: Final = 1 << 20
COLLECT_AT: Final = 10_000  # objects more than there were


@dataclass(frozen=True, slots=True)
class Ready:
    """What to tell when the server answers. demo_password: None when there is none to tell."""

    url: str
    settings: Settings
    demo_password: str | None


async def serve(settings: Settings, *, ready: Callable[[Ready], None]) -> None:
    """Serves in this process until SIGTERM or SIGINT; `ready` is called once requests are
    answered."""
    logs.configure(settings.log_level)
    take_files()
    sockets = listen(settings.host, settings.port)
    settings = settings.model_copy(update={"port": sockets[0].getsockname()[1]})
    server = await compose(settings)
    password = await demo_account(server) if settings.dev else None

    def answers() -> None:
        collect_seldom()
        ready(Ready(server.auth.issuer, settings, password))

    await web_server(server, answers).serve(sockets=sockets)


def web_server(server: Server, ready: Callable[[], None]) -> uvicorn.Server:
    """What answers HTTP for the server once it is told which sockets to serve."""
    return SignalledServer(
        web_config(server),
        ready=ready,
        readiness=server.readiness,
        keys=server.keys,
        drain=server.settings.drain,
    )


def web_config(server: Server) -> uvicorn.Config:
    requests = Requests(
        application(server),
        metrics=server.metrics,
        trusted=server.settings.networks,
        is_draining=lambda: server.readiness.is_draining,
        durability=server.settings.durability,
    )
    return uvicorn.Config(
        requests,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=FINISH_WITHIN,
        http=Wire,
        ws="none",
    )


async def demo_account(server: Server) -> str | None:
    """The password of the demo account, which is made if it is not there; None if it was changed
    since. Kept in the data folder, so that the next start can tell it again."""
    place = server.settings.data / "demo-password"
    password = _kept(place)
    try:
        account = await server.accounts.by_identifier(DEMO)
    except NotFound:
        password = secrets.token_urlsafe(15)
        _keep(place, password)
        try:
            await server.accounts.register(DEMO, password, roles=["admin"])
        except IdentifierTaken:  # by another node, which tells its password
            place.unlink()
            return None
        return password
    if password is None:
        return None
    try:
        await server.hasher.verify(account.password, password)
    except SignInRefused:
        return None
    return password


def _kept(place: Path) -> str | None:
    try:
        return place.read_text().strip() or None
    except FileNotFoundError:
        return None


def _keep(place: Path, password: str) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")


def run(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop where it is installed."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def collect_seldom() -> None:
    """What is loaded by now stays, so the garbage collector leaves it alone; and for what comes it
    looks more rarely. By its own measure, which suits small programs, it took a fifth of the
    processor while verifiers wait, and stopped everybody for longer than an answer may take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AT, 10, 10)


def take_files() -> None:
    """As many open files as this process may have: each verifier that waits holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS says infinite, and means less
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen; for `localhost` on both loopback addresses where there are two."""
    addresses = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    sockets: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        bound = sockets[0].getsockname()[1] if sockets else port
        try:
            listening = socket.create_server((address, bound), family=family, backlog=BACKLOG)
        except OSError as why:
            if sockets:  # this machine, or this port, has one loopback address only
                continue
            raise ConfigurationError(
                f"Choose another --port or --host: {address}:{port} is not free ({why.strerror})."
            ) from None
        # Connections inherit it. asyncio sets it only on sockets of its own making, and without it
        # an answer's body waits 40 ms for the client to acknowledge the head.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(listening)
    return sockets
