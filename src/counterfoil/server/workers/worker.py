"""One of several workers: a process that serves on the sockets of its supervisor.

The supervisor says over the link, by number, which signals it was sent: those that a terminal or a
service manager sends to the whole group come here too, and would count twice. When the link ends,
the supervisor is gone, and the worker goes as well.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn

from counterfoil.errors import CounterfoilError
from counterfoil.server.composition import compose
from counterfoil.server.operations import logs
from counterfoil.server.operations.metrics import of_worker
from counterfoil.server.operations.signals import SignalledServer
from counterfoil.server.serving import collect_seldom, demo_account, run, web_config
from counterfoil.server.settings import Settings

AT_ONCE: Final = signal.SIGKILL  # on the link: what a second signal asks for


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is given. number: from 1; the first one sweeps. prepares: whether it makes
    what must be there before the others start. counts: the folder where all of them count."""

    number: int
    settings: Settings
    sockets: list[socket.socket]
    link: socket.socket
    counts: Path
    prepares: bool

    def tell(self, said: dict[str, Any]) -> None:
        """Tells the supervisor, if it is there."""
        with suppress(OSError):
            self.link.sendall(json.dumps(said).encode() + b"\n")


def work(post: Post) -> int:
    """Serves until it is told to stop. The exit code; what was refused is told over the link."""
    logs.configure(post.settings.log_level, worker=post.number)
    try:
        run(_serve(post))
    except CounterfoilError as why:
        post.tell({"refused": type(why).__name__, "detail": why.detail})
        return 1
    return 0


async def _serve(post: Post) -> None:
    server = await compose(
        post.settings, metrics=of_worker(post.number, post.counts), sweeps=post.number == 1
    )
    password = None
    if post.prepares:
        server.keys.signing_keys()
        server.keys.handle_secrets()
        password = await demo_account(server) if post.settings.dev else None

    def answers() -> None:
        collect_seldom()
        post.tell({"url": server.auth.issuer, "demo_password": password})

    running = LinkedServer(
        web_config(server),
        link=post.link,
        ready=answers,
        readiness=server.readiness,
        keys=server.keys,
        drain=post.settings.drain,
    )
    await running.serve(sockets=post.sockets)


class LinkedServer(SignalledServer):
    """Does what the supervisor says. SIGTERM to this process alone stops it in order, too; then
    another one is started in its place."""

    def __init__(self, config: uvicorn.Config, *, link: socket.socket, **more: Any) -> None:
        super().__init__(config, **more)
        self._link = link

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        signal.signal(signal.SIGTERM, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        self.stop(sig)

    def listen(self) -> None:
        self._link.settimeout(0)
        asyncio.get_running_loop().add_reader(self._link, self._hear)

    def _hear(self) -> None:
        try:
            said = self._link.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            asyncio.get_running_loop().remove_reader(self._link)
            self.stop(signal.SIGINT)
        for sig in said:
            if sig == signal.SIGHUP:
                self.reload()
            elif sig == AT_ONCE:
                self.stop_at_once()
            else:
                self.stop(sig)
