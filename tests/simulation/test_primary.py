"""The simulated store: when a call takes effect, and what a failed one leaves."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil.drive import drive
from counterfoil.errors import RestoreUndeclared, StoreUnavailable
from counterfoil.feeds.witness import Witness
from counterfoil.ports import Commit
from counterfoil.subject import ClientState
from simulation.keys import KeyFolder
from simulation.loop import Loop
from simulation.machine import Machine
from simulation.network import Link, Network
from simulation.primary import NodeStore, Primary

if TYPE_CHECKING:
    from collections.abc import Coroutine

WEB = ClientState(client_id="web")


class Node:
    """A node's way to a store."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.primary = Primary(self.loop, Random(3))
        self.machine = Machine(self.loop, "n0")
        self.link = Link("store-n0", Random(3))
        self.store = NodeStore(
            self.machine, self.link, Network(self.loop), self.primary, patience=2.0
        )

    def outcome(self, call: Coroutine[Any, Any, Any]) -> Any:
        """What a call returns or raises, whenever it does."""
        heard: list[Any] = []
        self.machine.spawn(call, lambda value, error: heard.append(error or value))
        self.loop.run(self.loop.now + 5)
        (found,) = heard
        return found


def test_a_call_takes_effect_when_it_has_arrived() -> None:
    """A commit that arrives before a read that began earlier is in what that finds."""
    node = Node()
    heard: list[Any] = []
    node.machine.spawn(node.store.client("web"), lambda value, _: heard.append(value))
    assert node.primary.run("commit", Commit(clients=(WEB.ended(),)))
    node.loop.run(1)
    assert heard == [WEB.ended()]
    assert node.loop.now == 1


def test_a_commit_whose_answer_is_lost_has_taken_effect() -> None:
    """Who asked cannot know that."""
    node = Node()
    node.link.cuts["back"] += 1
    assert isinstance(
        node.outcome(node.store.commit(Commit(clients=(WEB.ended(),)))), StoreUnavailable
    )
    assert node.primary.run("client", "web") == WEB.ended()


def test_a_commit_that_is_lost_has_not() -> None:
    """The answer is the same."""
    node = Node()
    node.link.cuts["there"] += 1
    assert isinstance(
        node.outcome(node.store.commit(Commit(clients=(WEB.ended(),)))), StoreUnavailable
    )
    assert node.primary.run("client", "web") == WEB


def test_the_feed_reads_at_once_or_not_at_all() -> None:
    """The whole node waits for such a read."""
    node = Node()
    now = node.machine.now()
    assert drive(node.store.blocking().feed(None, now=now)).position.number == 0
    node.link.cuts["back"] += 1
    with pytest.raises(StoreUnavailable):
        drive(node.store.blocking().feed(None, now=now))


def test_a_backup_put_back_is_noticed_and_a_declared_one_goes_on() -> None:
    """What was on its way to the store before reaches it no more."""
    node, keys = Node(), KeyFolder(Loop())
    now = node.machine.now()
    witness = Witness(node.store.blocking(), keys)
    node.primary.back_up()
    node.primary.run("commit", Commit(clients=(WEB.ended(),), moves_feed=True))
    before = witness.read(None, now=now).position
    late = node.store.commit(Commit(clients=(WEB.ended(),)))
    heard: list[Any] = []
    node.machine.spawn(late, lambda value, error: heard.append(error or value))
    node.primary.put_back()
    with pytest.raises(RestoreUndeclared):
        witness.read(None, now=now)
    node.primary.declare(keys)
    after = witness.read(None, now=now).position
    assert after.epoch != before.epoch
    assert not after.is_behind(before)
    node.loop.run(5)
    assert isinstance(heard[0], StoreUnavailable)
    assert node.primary.run("client", "web") == WEB
