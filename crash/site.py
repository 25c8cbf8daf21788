"""A store and the nodes that share it: started, killed, started again, and ended."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crash.node import Node, environment
from crash.stores import STORES
from engines.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from random import Random

    from crash.stores import Killable, Stored, StoreName

NAMES: Final = ("node A", "node B")
APART: Final = 0.05  # seconds between two kills of one round, at most


class Site:
    """The store runs, the nodes do not yet."""

    def __init__(self, stored: Stored, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._stored = stored
        self._parts: dict[str, Killable | Node] = {**stored.servers}
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
        for name, part in self._parts.items():  # the store before the nodes
            if name in names:
                part.start()
        for node in self.nodes:
            node.wait()

    def settle(self) -> None:
        """Waits for what a killed node has sent to the store last, and which nobody waits for."""
        self._stored.settle()

    def kept_logs(self) -> Path:
        """A folder with copies of the logs, which is left."""
        kept = Path(tempfile.mkdtemp(prefix="counterfoil-crash-logs-"))
        for name, server in self._stored.servers.items():
            shutil.copy(server.folder / "log", kept / f"{_as_file(name)}.log")
        for node in self.nodes:
            if node.log.exists():  # it may never have been started
                shutil.copy(node.log, kept)
        return kept


@contextmanager
def site(store: StoreName, program: Sequence[str] = ()) -> Iterator[Site]:
    """Everything is ended when the block is left. program: what a node runs, if not what belongs
    to the store. Raises as the store's engine does."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-crash-"))
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(32) + "\n")
    ports = free_ports(len(NAMES))
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        stored = ending.enter_context(STORES[store]())
        asked = [*(program or stored.program), *stored.arguments]
        asked += ["--issuer", f"http://localhost:{ports[0]}"]
        surroundings = environment(secret_file=str(secret))
        nodes = [
            Node(name, port, folder / _as_file(name), asked, surroundings)
            for name, port in zip(NAMES, ports, strict=True)
        ]
        for node in nodes:
            ending.callback(node.kill)
        yield Site(stored, nodes)


def _as_file(name: str) -> str:
    return name.replace(" ", "-")
