"""A failing plan is made smaller, and still fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulated import item, plan
from simulation.campaign import outcome_of
from simulation.planted import planted
from simulation.shrinking import shrink
from simulation.world import run

if TYPE_CHECKING:
    from simulation.plan import Plan

MANY = plan(*(item(float(number), f"item{number}") for number in range(40)))


def names(smaller: Plan) -> list[str]:
    return [each.what for each in smaller.items]


def test_what_is_not_needed_is_left_out() -> None:
    """Those that are needed together stay, in their order."""
    needed = {"item3", "item17", "item38"}
    small = shrink(MANY, lambda smaller: needed <= {*names(smaller)})
    assert names(small) == ["item3", "item17", "item38"]
    assert small.settings == MANY.settings
    assert small.seed == MANY.seed


def test_it_ends_after_so_many_runs() -> None:
    """With what it has by then, which fails."""
    runs: list[Plan] = []

    def fails(smaller: Plan) -> bool:
        runs.append(smaller)
        return "item39" in names(smaller)

    small = shrink(MANY, fails, most=3)
    assert len(runs) == 3
    assert "item39" in names(small)


def test_a_failing_seed_becomes_one_that_can_be_read() -> None:
    """A few items are left of it, and two runs of those are the same."""
    bug = "index-again"
    whole = next(
        plan for plan, outcome in (outcome_of(seed, bug) for seed in range(5)) if outcome.failure
    )
    with planted(bug):
        small = shrink(whole, lambda smaller: bool(run(smaller).failure), most=60)
        first, second = run(small), run(small)
    assert first.failure
    assert (first.failure, first.digest) == (second.failure, second.digest)
    assert len(small.items) <= 8 < len(whole.items)
    assert "sign_in" in names(small)
