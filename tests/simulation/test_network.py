"""Links that delay, lose, repeat and are cut, one way or both."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from simulation.loop import Loop
from simulation.machine import Machine
from simulation.network import LONGEST, REFUSED, Link, Network, Weather

if TYPE_CHECKING:
    from simulation.network import Reply


class Wire:
    """A client, a server and the link between; what arrives there, and what comes back."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.client, self.server = Machine(self.loop, "c"), Machine(self.loop, "s")
        self.link = Link("l", Random(3))
        self.arrived = 0
        self.heard: list[Any] = []
        self.copies = 1

    def ask(self) -> None:
        def serve(reply: Reply) -> None:
            self.arrived += 1
            reply("answer")

        def copied(copies: int) -> None:
            self.copies += copies

        Network(self.loop).ask(
            self.client, [self.link], self.server, serve, heard=self.heard.append, copied=copied
        )
        self.loop.run(self.loop.now + 3 * LONGEST)


def test_a_request_takes_time_there_and_back() -> None:
    """Nothing is instant."""
    wire = Wire()
    wire.ask()
    assert (wire.arrived, wire.heard, wire.copies) == (1, ["answer"], 1)


@pytest.mark.parametrize(("way", "arrived"), [("there", 0), ("back", 1)])
def test_a_connection_can_be_half_open(way: Any, arrived: int) -> None:
    """The request is lost, or it is served and its answer is lost."""
    wire = Wire()
    wire.link.cuts[way] += 1
    wire.ask()
    assert (wire.arrived, wire.heard, wire.copies) == (arrived, [], arrived)
    assert not wire.link.is_open()


def test_bad_weather_loses_and_repeats() -> None:
    """Each copy is served, and whoever counts them knows how many there are."""
    wire = Wire()
    wire.link.weather.append(Weather(way="there", twice=1.0, slow=1.0))
    wire.ask()
    assert (wire.arrived, len(wire.heard), wire.copies) == (2, 2, 2)
    wire.link.weather.append(Weather(loss=1.0))
    wire.ask()
    assert (wire.arrived, wire.copies) == (2, 1)


def test_messages_overtake_each_other() -> None:
    """Each has a delay of its own, and none is under way for ever."""
    link = Link("l", Random(3), weather=[Weather(slow=100.0)])
    delays = [link.delays("there")[0] for _ in range(50)]
    assert delays != sorted(delays)
    assert max(delays) == LONGEST


def test_nobody_listens_on_a_machine_that_is_down() -> None:
    """Which is told at once."""
    wire = Wire()
    wire.server.crash()
    wire.ask()
    assert (wire.arrived, wire.heard, wire.copies) == (0, [REFUSED], 0)
