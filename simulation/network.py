"""The simulated network: links with two ways, each of which can delay, lose, repeat or be cut.

A request crosses its links there and its answer crosses them back. Where only one way of a link is
cut, a request arrives and its answer is lost, or the other way round: a connection half open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from simulation.loop import Loop
    from simulation.machine import Machine

    Reply = Callable[[Any], None]

Way = Literal["there", "back"]
QUICKEST: Final = 0.0005
USUAL: Final = 0.02
LONGEST: Final = 8.0  # seconds that any message is on one link
REFUSED: Final = object()  # what is heard where nobody listens


@dataclass(frozen=True, slots=True)
class Weather:
    """How badly a link does for a while: shares lost and repeated, seconds of delay at most; in
    one way, or in both."""

    way: str = "both"
    loss: float = 0.0
    twice: float = 0.0
    slow: float = 0.0


@dataclass(slots=True, eq=False)
class Link:
    """Both ways between two places."""

    name: str
    chance: Random
    cuts: dict[Way, int] = field(default_factory=lambda: {"there": 0, "back": 0})
    weather: list[Weather] = field(default_factory=list)

    def delays(self, way: Way) -> list[float]:
        """When each copy of a message that is sent now arrives; none is lost."""
        chance = self.chance
        first = chance.uniform(QUICKEST, USUAL)
        if self.cuts[way]:
            return []
        delays = [first]
        for each in self.weather:
            if each.way not in {way, "both"}:
                continue
            if chance.random() < each.loss:
                return []
            delays[0] += chance.uniform(0, each.slow)
            if chance.random() < each.twice:
                delays.append(chance.uniform(QUICKEST, USUAL + each.slow))
        return [min(delay, LONGEST) for delay in delays]

    def is_open(self) -> bool:
        """For who asks and waits for nothing else meanwhile."""
        return not any(self.cuts.values())


class Network:
    """Carries requests between machines."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def ask(
        self,
        client: Machine,
        route: Sequence[Link],
        server: Machine,
        serve: Callable[[Reply], object],
        *,
        heard: Callable[[Any], object],
        copied: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Sends a request from a process of `client`. `serve` is called at the server for each copy
        that arrives, `heard` for each answer that comes back. copied: hears by how many copies
        there are more (or fewer, as they are lost) than the one that was sent."""
        listening = client.bound(heard)

        def arrive() -> None:
            if server.is_up:
                server.bound(serve, lost=lambda: copied(-1))(back)
            else:
                copied(-1)
                back(REFUSED)

        def back(answer: Any) -> None:
            self._send([*reversed(route)], "back", lambda: listening(answer), lambda _: None)

        self._send([*route], "there", arrive, copied)

    def _send(
        self,
        links: Sequence[Link],
        way: Way,
        arrive: Callable[[], object],
        copied: Callable[[int], object],
    ) -> None:
        if not links:
            arrive()
            return
        first, *rest = links
        delays = first.delays(way)
        if len(delays) != 1:
            copied(len(delays) - 1)
        for delay in delays:
            self._loop.after(delay, lambda: self._send(rest, way, arrive, copied))
