"""Small plans for the simulation: a node and a verifier whose clocks are right, and a few items."""

from __future__ import annotations

from typing import Any

from simulation.keys import quick_signatures
from simulation.plan import Item, Plan, Settings
from simulation.world import Outcome, World


def settings(**changes: Any) -> Settings:
    chosen: dict[str, Any] = {
        "nodes": 1,
        "verifiers": 1,
        "slots": 2,
        "subjects": 2,
        "max_staleness": 2.0,
        "longer": 2.0,
        "access": 30.0,
        "tighter": (None, None, None),
        "rates": (1.0,) * 6,
        "ahead": (0.0,) * 6,
        "ends": 10.0,
        **changes,
    }
    return Settings(**chosen)


def item(at: float, what: str, **given: Any) -> Item:
    return Item(at, what, given)


def sign_in(at: float, slot: int = 0, *, client: str = "api", node: int = 0) -> Item:
    return item(at, "sign_in", slot=slot, subject=0, client=client, node=node)


def plan(*items: Item, seed: int = 1, **changes: Any) -> Plan:
    return Plan(seed, settings(**changes), items)


def ran(plan: Plan) -> tuple[World, Outcome]:
    """The world after the plan, and what came of it."""
    with quick_signatures():
        world = World(plan)
        return world, world.run()


def told(outcome: Outcome, verb: str) -> list[str]:
    """What was said with this word, in order."""
    return [f"{line.who} {line.what}" for line in outcome.trace.lines if line.verb == verb]
