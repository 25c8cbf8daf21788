"""PostgreSQL and the nodes that share it: started, killed, started again, and ended."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from crash.held import Violation
from crash.node import PROGRAM, Node, environment, free_ports
from engines.postgres import PostgresServer, postgres_server

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from random import Random

POSTGRES: Final = "PostgreSQL"
NAMES: Final = ("node A", "node B")
APART: Final = 0.05  # seconds between two kills of one round, at most
SETTLED_WITHIN: Final = 30.0
_WRITING: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
    " AND pid <> pg_backend_pid()"
)


class Cluster:
    """PostgreSQL runs, the nodes do not yet."""

    def __init__(self, server: PostgresServer, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._server = server
        self._parts: dict[str, PostgresServer | Node] = {POSTGRES: server}
        self._parts |= {node.name: node for node in nodes}

    @property
    def names(self) -> list[str]:
        return [*self._parts]

    def open(self) -> None:
        """Returns when both nodes are ready. Raises `Violation`."""
        for node in self.nodes:  # the first one makes the demo account
            node.start()
            node.wait()

    def kill(self, names: Sequence[str], chance: Random) -> None:
        """All at once, or one soon after the other."""
        apart = chance.choice((0.0, APART))
        for name in names:
            self._parts[name].kill()
            time.sleep(chance.uniform(0, apart))

    def start(self, names: Collection[str]) -> None:
        """Starts again what was killed, and returns when both nodes are ready."""
        if POSTGRES in names:
            self._server.start()
        for node in self.nodes:
            if node.name in names:
                node.start()
        for node in self.nodes:
            node.wait()

    def settle(self) -> None:
        """Waits for what a killed node has sent to PostgreSQL last, and which nobody waits for."""
        until = time.monotonic() + SETTLED_WITHIN
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            while time.monotonic() < until:
                [(writing,)] = connection.execute(_WRITING).fetchall()
                if not writing:
                    return
                time.sleep(0.01)
        raise Violation("PostgreSQL is still writing, long after everybody has stopped.")

    def kept_logs(self) -> Path:
        """A folder with copies of the logs, which is left."""
        kept = Path(tempfile.mkdtemp(prefix="counterfoil-crash-logs-"))
        shutil.copy(self._server.folder / "log", kept / "postgres.log")
        for node in self.nodes:
            shutil.copy(node.log, kept)
        return kept


@contextmanager
def cluster(program: Sequence[str] = PROGRAM) -> Iterator[Cluster]:
    """Everything is ended when the block is left. program: what a node runs. Raises as
    `postgres_server` does."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-crash-"))
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(32) + "\n")
    ports = free_ports(len(NAMES))
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        server = ending.enter_context(postgres_server())
        asked = [*program, "serve", "--dev", "--store", server.url]
        asked += ["--issuer", f"http://localhost:{ports[0]}"]
        surroundings = environment(secret_file=str(secret))
        nodes = [
            Node(name, port, folder / name.replace(" ", "-"), asked, surroundings)
            for name, port in zip(NAMES, ports, strict=True)
        ]
        for node in nodes:
            ending.callback(node.kill)
        yield Cluster(server, nodes)
