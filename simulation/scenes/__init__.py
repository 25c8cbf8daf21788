"""What a scenario is put together from: each scene is a few items, at moments that go together.

Single faults at random rarely meet. Most of what breaks such designs needs two or three: an answer
that is slow, a revocation while it is on its way, and silence afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulation.scenes import machines, network, people

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.plan import Item
    from simulation.scenes.scene import Scene

SCENES: Final[dict[str, Callable[[Scene], list[Item]]]] = {
    "traffic": people.traffic,
    "endings": people.endings,
    "crossing": people.crossing,
    "return_of": people.return_of,
    "side_by_side": people.side_by_side,
    "crowd": people.crowd,
    "new_keys": people.new_keys,
    "housekeeping": people.housekeeping,
    "dark": network.dark,
    "replayed": network.replayed,
    "storm": network.storm,
    "outage": network.outage,
    "late": network.late,
    "old_lists": network.old_lists,
    "behind": machines.behind,
    "deaf": machines.deaf,
    "asleep": machines.asleep,
    "broken": machines.broken,
    "wrong_clock": machines.wrong_clock,
    "put_back": machines.put_back,
}
