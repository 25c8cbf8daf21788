"""A failing plan made smaller: items are left out for as long as it still fails (delta debugging,
Zeller and Hildebrandt 2002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.plan import Item, Plan

MOST_RUNS: Final = 400


def shrink(plan: Plan, fails: Callable[[Plan], bool], *, most: int = MOST_RUNS) -> Plan:
    """The smallest plan that was found in so many runs; no single item can be left out of it,
    unless there were too few runs to see that."""
    tries = iter(range(most))

    def still_fails(items: tuple[Item, ...]) -> bool:
        return next(tries, None) is not None and fails(plan.with_items(items))

    items, parts = plan.items, 2
    while len(items) > 1:
        size = -(-len(items) // parts)
        for start in range(0, len(items), size):
            rest = items[:start] + items[start + size :]
            if still_fails(rest):
                items, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(len(items), parts * 2)
    return plan.with_items(items)
