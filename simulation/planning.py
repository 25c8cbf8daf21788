"""From a seed to a plan: which settings, and which scenes, when."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final

from simulation.plan import Item, Plan, Settings
from simulation.scenes import SCENES
from simulation.scenes.people import life
from simulation.scenes.scene import CLIENTS, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERYDAY: Final[Mapping[str, float]] = {
    "traffic": 3,
    "endings": 2,
    "crossing": 2,
    "dark": 3,
    "behind": 2,
    "deaf": 1,
    "asleep": 1.5,
    "replayed": 2,
    "storm": 2,
    "broken": 2,
    "outage": 1,
    "wrong_clock": 2,
    "new_keys": 1,
    "put_back": 1,
    "housekeeping": 0.5,
    "return_of": 1.5,
    "late": 1,
    "old_lists": 1,
    "side_by_side": 1,
    "crowd": 1,
}
WARM: Final = 2.5  # seconds in which everybody begins in peace
LENGTH: Final = 6.0  # in max_staleness
APART: Final = (0.3, 2.2)  # in max_staleness, from the beginning of a scene to the next one's
BOUNDS: Final = ((2.0, 2.0), (3.0, 6.0), (5.0, 5.0), (8.0, 8.0), (10.0, 10.0))
RATES: Final = 0.0005  # clocks run so much faster or slower than true time, at most
AHEAD: Final = 1.0
MACHINES: Final = 6  # nodes and verifiers at most


def plan_of(seed: int, weights: Mapping[str, float] = EVERYDAY, **fixed: Any) -> Plan:
    """weights: how often each scene is chosen. fixed: settings that are not left to chance."""
    chance = Random(f"{seed} plan")
    settings = _settings(chance, **fixed)
    items = _beginning(chance, settings)
    start, names = WARM, [*weights]
    while start < settings.ends - settings.max_staleness:
        name = chance.choices(names, [*weights.values()])[0]
        scene = Scene(chance, settings, start)
        items += [*life(scene), *SCENES[name](scene)]
        start += settings.max_staleness * chance.uniform(*APART)
    kept = [item for item in items if 0 <= item.at < settings.ends]
    return Plan(seed, settings, tuple(sorted(kept, key=lambda item: item.at)))


def _settings(
    chance: Random, *, max_staleness: float | None = None, nodes: int | None = None
) -> Settings:
    bound, longer = chance.choice([each for each in BOUNDS if max_staleness in {None, each[0]}])
    verifiers = chance.choice((1, 2, 2, 3))
    return Settings(
        nodes=nodes or chance.choice((1, 2, 2, 3)),
        verifiers=verifiers,
        slots=chance.randrange(3, 7),
        subjects=chance.randrange(2, 4),
        max_staleness=bound,
        longer=longer,
        access=chance.choice((8.0, 4 * bound, 60.0)) + bound,
        tighter=tuple(
            chance.choice((None, None, None, max(1.0, bound / 2))) for _ in range(verifiers)
        ),
        rates=tuple(1 + chance.uniform(-RATES, RATES) for _ in range(MACHINES)),
        ahead=tuple(chance.uniform(-AHEAD, AHEAD) for _ in range(MACHINES)),
        ends=WARM + LENGTH * bound,
    )


def _beginning(chance: Random, settings: Settings) -> list[Item]:
    """Everybody signs in."""
    return [
        Item(
            chance.uniform(0.2, WARM),
            "sign_in",
            {
                "slot": slot,
                "subject": chance.randrange(settings.subjects),
                "client": chance.choice(CLIENTS),
                "node": chance.randrange(settings.nodes),
            },
        )
        for slot in range(settings.slots)
    ]
