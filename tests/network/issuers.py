"""Issuers in processes of their own, which can be stopped, killed and started again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import live
from counterfoil import BlockingCounterfoil, Client
from counterfoil.drive import drive
from counterfoil.server.operations import logs
from counterfoil.server.passwords.hashing import CHEAPEST, PasswordHasher
from counterfoil.server.serving import listen, web_server
from counterfoil.server.settings import Settings
from counterfoil.stores.sqlite import SqliteStore
from network import application

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

Kind: TypeAlias = Literal["server", "application"]

# To import a server takes longer than to run one for most of these tests.
_PROCESSES: Final = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["counterfoil.server.serving", "uvloop"])


def serve(kind: Kind, data: str, settings: Mapping[str, Any], told: Any) -> None:
    """Becomes a development server, or an application. told: hears where it listens, and lives as
    long as whoever started it."""
    threading.Thread(target=_end_with, args=(told,), daemon=True).start()
    log = os.open(f"{data}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if kind == "application":
        application.serve(Path(data), settings["port"], lambda port: told.send((port, None)))
        return

    async def main() -> None:
        chosen = Settings(**{"dev": True, "data": data, **settings})
        logs.configure(chosen.log_level)
        sockets = listen("localhost", chosen.port)
        chosen = chosen.model_copy(update={"port": sockets[0].getsockname()[1]})
        server, password = await live.made(chosen, PasswordHasher(CHEAPEST, threads=1))
        running = web_server(server, lambda: told.send((chosen.port, password)))
        await running.serve(sockets=sockets)

    live.run(main())


def _end_with(told: Any) -> None:
    with contextlib.suppress(EOFError, OSError):
        told.recv()
    os._exit(1)


@dataclass(slots=True)
class Issuer:
    """A server, or an application, that runs or not."""

    kind: Kind
    data: Path
    settings: dict[str, Any]
    site: live.Site = field(init=False)
    _process: ForkServerProcess = field(init=False)
    _told: Connection = field(init=False)

    @property
    def url(self) -> str:
        return str(self.settings.get("issuer") or self.site.url)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def start(self) -> None:
        """On the port that it had before."""
        self._told, there = _PROCESSES.Pipe()
        given = (self.kind, str(self.data), self.settings, there)
        self._process = _PROCESSES.Process(target=serve, args=given, daemon=True)
        self._process.start()
        there.close()
        assert self._told.poll(live.PATIENCE), "the server did not start"
        port, password = self._told.recv()
        self.settings["port"] = port
        self.site = live.Site(port, self.data, password)

    def end(self, how: signal.Signals) -> None:
        """Sends it the signal, and waits until it is gone."""
        os.kill(self.pid, how)
        self._process.join(live.PATIENCE)
        assert self._process.exitcode is not None, "the server did not stop"

    def stop(self) -> None:
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def revoke_beside(self, device: live.Device) -> float:
        """Ends a session on the store, with no server in between; the seconds until that holds."""
        beside = BlockingCounterfoil(
            issuer=self.url,
            store=SqliteStore(self.data / "counterfoil.db"),
            clients=[Client(client_id="api", strategy="hybrid", max_staleness=live.SECOND)],
        )
        revoked = beside.revoke(device.session_id)
        beside.close()
        assert revoked.count == 1
        return revoked.effective_within.total_seconds()

    def devices(self, *names: str, client_id: str = "api") -> dict[str, live.Device]:
        """Somebody new, signed in as many times."""
        person = self.site.person()
        return {name: person.sign_in(client_id) for name in names}


def keys_in(folder: Path) -> Path:
    """A data folder with keys in it: to make them takes longer than all else that a start does."""
    store = SqliteStore(folder / "counterfoil.db")
    keys = store.default_keys()
    keys.signing_keys()
    keys.handle_secrets()
    drive(store.close())
    return folder


@contextlib.contextmanager
def issuer(data: Path, made: Path, *, kind: Kind = "server", **settings: Any) -> Iterator[Issuer]:
    """One on this data, with the keys that were made; by default max_staleness is 1 s."""
    shutil.copytree(made, data)
    data.chmod(0o700)
    running = Issuer(
        kind, data, {"max_staleness": 1, "port": 0, "log_level": "warning", **settings}
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()
