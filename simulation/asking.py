"""Requests of people to the issuer, sent again, perhaps to another node, until one is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import StoreUnavailable, Unavailable
from simulation.ledger import Operation
from simulation.network import LONGEST, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from counterfoil import Counterfoil
    from counterfoil.errors import CounterfoilError
    from simulation.loop import Loop
    from simulation.machine import Machine
    from simulation.network import Link, Network, Reply
    from simulation.node import IssuerNode

    Verb = Callable[[Counterfoil], Coroutine[Any, Any, Any]]
    Told = Callable[[Any, CounterfoilError | None, IssuerNode], object]
    Heard = Callable[[Any, CounterfoilError | None], object]

PATIENCE: Final = 3.0  # seconds for one attempt
PAUSE: Final = 0.3


@dataclass(slots=True, eq=False)
class Request:
    """What is asked of the engine at some node.

    told: hears, at the node, how each attempt ended there, also where the answer is lost. heard:
    hears once what came back; nothing and no error when time is up. until: when no attempt is
    begun any more.
    """

    verb: Verb
    told: Told
    heard: Heard
    until: float
    place: int
    operation: Operation = field(default_factory=lambda: Operation(0.0))
    is_over: bool = False
    attempt: int = 0


class Asking:
    """Where everybody's requests come from."""

    def __init__(
        self,
        machine: Machine,
        network: Network,
        nodes: Sequence[IssuerNode],
        links: Sequence[Link],
    ) -> None:
        self._machine = machine
        self._network = network
        self._nodes = nodes
        self._links = links
        self._open = 0

    @property
    def is_quiet(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._open == 0

    @property
    def _loop(self) -> Loop:
        return self._machine.loop

    def ask(self, request: Request) -> None:
        self._open += request.attempt == 0
        request.attempt += 1
        number = request.attempt
        place = (request.place + number - 1) % len(self._nodes)
        operation = request.operation
        operation.move(1, now=self._loop.now)
        self._network.ask(
            self._machine,
            [self._links[place]],
            self._nodes[place].machine,
            partial(self._serve, request, self._nodes[place]),
            heard=partial(self._hear, request, number),
            copied=lambda copies: operation.move(copies, now=self._loop.now),
        )
        self._machine.after(PATIENCE, partial(self._again, request, number))

    def _serve(self, request: Request, node: IssuerNode, reply: Reply) -> None:
        def over(value: Any, error: CounterfoilError | None) -> None:
            self._close(request.operation, is_certain=not isinstance(error, Unavailable))
            request.told(value, error, node)
            reply((value, error))

        node.machine.spawn(
            request.verb(node.engine),
            over,
            lost=lambda: self._close(request.operation, is_certain=False),
        )

    def _close(self, operation: Operation, *, is_certain: bool) -> None:
        """An attempt is over; what it sent to the store last may still be on its way."""
        if is_certain:
            operation.move(-1, now=self._loop.now)
        else:
            self._loop.after(LONGEST + 1, lambda: operation.move(-1, now=self._loop.now))

    def _hear(self, request: Request, number: int, answer: Any) -> None:
        if request.is_over:
            return
        value, error = (None, StoreUnavailable()) if answer is REFUSED else answer
        if isinstance(error, Unavailable):
            self._machine.after(PAUSE, partial(self._again, request, number))
        else:
            self._end(request)
            request.heard(value, error)

    def _again(self, request: Request, number: int) -> None:
        if request.is_over or number != request.attempt:
            return
        if self._loop.now >= request.until:
            self._end(request)
            request.heard(None, None)
        else:
            self.ask(request)

    def _end(self, request: Request) -> None:
        request.is_over = True
        self._open -= 1
        request.operation.settle(now=self._loop.now)
