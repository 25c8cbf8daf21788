"""What every measurement needs: a scratch server, the way to it that can be cut, its store, and the
clients of the three strategies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from counterfoil.cli.compare.beside import Beside, beside
from counterfoil.cli.compare.depth import Depth
from counterfoil.cli.compare.passage import HOST, Passage, passage
from counterfoil.cli.compare.stores import ScratchStore, scratch_store
from counterfoil.cli.data import NOTE
from counterfoil.cli.demo.caller import Caller, NotAsSaid, Reply
from counterfoil.cli.demo.temporary_server import Running, temporary_server
from counterfoil.cli.interruptions import Interruptions, heard_later
from counterfoil.client import CarrierName, Client, StrategyName
from counterfoil.lifetime import Lifetime
from counterfoil.server.serving import DEMO

IN_ORDER: Final[tuple[StrategyName, ...]] = ("session", "hybrid", "jwt")
_PATIENCE: Final = 15.0
_PAUSE: Final = 0.1
BRIEF: Final = "jwt-brief"  # whose tokens live so short that they can be waited for


@dataclass(frozen=True, slots=True)
class Scene:
    """issuer: the URL that verifiers know; it leads over `network`, which can be cut. call: to the
    server itself, past that."""

    depth: Depth
    server: Running
    port: int
    network: Passage
    store: ScratchStore

    @property
    def issuer(self) -> str:
        return self.server.issuer

    @property
    def call(self) -> Caller:
        return Caller(f"http://{HOST}:{self.port}")

    @property
    def data(self) -> Path:
        return self.server.data

    def sign_in(self, client_id: str) -> Reply:
        """The server's one account, by its password."""
        return self.call(
            "POST",
            "/v1/sessions",
            client_id=client_id,
            identifier=DEMO,
            password=self.server.administrators_password,
        )

    @contextmanager
    def beside(self) -> Iterator[Beside]:
        with beside(self.data, self.issuer, self.store.address) as parts:
            yield parts


@contextmanager
def scene(depth: Depth, address: str | None) -> Iterator[Scene]:
    """A server of its own until the end of the block, however that ends; then nothing is left."""
    with Interruptions() as interruptions, ExitStack() as kept:
        store = kept.enter_context(scratch_store(address))
        with heard_later():
            network = kept.enter_context(passage())
        kept.callback(interruptions.ignore)  # while the two above are tidied up
        issuer = f"http://{HOST}:{network.port}"
        options = ("--host", HOST, "--issuer", issuer, "--log-level", "warning")
        server = kept.enter_context(temporary_server(*options, environment=store.environment))
        port = json.loads((server.data / NOTE).read_bytes())["port"]
        network.leads_to = (HOST, port)
        found = Scene(depth, server, port, network, store)
        with found.beside() as parts:
            for client in _clients(depth):
                parts.register(client)
        _wait_for(BRIEF, found)
        yield found


def cookie_client(strategy: StrategyName) -> str:
    """The client whose credential of this strategy travels in a cookie; the other has its name."""
    return f"{strategy}-cookie"


def _wait_for(client_id: str, there: Scene) -> None:
    """Until the server has heard of a client, which may take it a second."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if not there.sign_in(client_id).code:
            return
        time.sleep(_PAUSE)
    raise NotAsSaid("The server has not heard of a client that was registered.")


def _clients(depth: Depth) -> Iterator[Client]:
    for strategy in IN_ORDER:
        carriers: tuple[tuple[str, CarrierName], ...] = (
            (strategy, "bearer"),
            (cookie_client(strategy), "cookie"),
        )
        for name, carrier in carriers:
            yield Client(
                client_id=name,
                strategy=strategy,
                carrier=carrier,
                audience=strategy,
                max_staleness=depth.max_staleness,
            )
    yield Client(client_id=BRIEF, strategy="jwt", lifetime=Lifetime(access=depth.access))
