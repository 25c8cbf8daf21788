"""What machines and their clocks do, and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulation.scenes.people import traffic
from simulation.scenes.scene import TAKES, cuts, do, ending, signs_in, slows

if TYPE_CHECKING:
    from simulation.plan import Item
    from simulation.scenes.scene import Scene


SECONDS_OFF: Final = (4.0, 20.0, 45.0, 400.0, 7500.0, 3e6)


def behind(scene: Scene) -> list[Item]:
    """A node whose reads are slow or that does not read on, endings elsewhere, and silence."""
    chance, node = scene.chance, scene.node()
    items = [slows(scene, f"store-n{node}", scene.start)]
    if chance.random() < 0.3:
        items.append(do(scene.at(0, 0.5), "lag", node=node, lasts=scene.lasts(0.5, 2)))
    if chance.random() < 0.5:
        others = [each for each in range(scene.settings.nodes) if each != node]
        items += [do(scene.at(0, 0.4), "drain", node=other, lasts=scene.bound) for other in others]
    if chance.random() < 0.6:
        # Who is far away waits less for news, and asks more often.
        items.append(slows(scene, "v", scene.start, most=0.3))
    at = scene.at(0.4, 0.9)
    for _ in range(chance.randrange(1, 5)):
        at += scene.lasts(0, 0.2)
        items += ending(scene, at, node=(node + 1) % scene.settings.nodes)
    if chance.random() < 0.7:
        silence = at + scene.bound * chance.uniform(0.02, 0.4)
        name = chance.choice(("v", f"v{scene.site()}", f"store-n{node}"))
        way = chance.choice(("there", "there", "both"))
        items.append(do(silence, "cut", links=name, way=way, lasts=scene.lasts(1, 2)))
    return items


def deaf(scene: Scene) -> list[Item]:
    """A node hears late from the store and then nothing, and things end elsewhere at that time."""
    chance, node = scene.chance, scene.node()
    silence = scene.at(0.5, 0.9)
    late = do(
        scene.start,
        "weather",
        links=f"store-n{node}",
        way="back",
        slow=scene.lasts(0.15, 0.35),
        lasts=silence - scene.start,
    )
    items = [late, cuts(scene, f"store-n{node}", silence, scene.lasts(1.1, 2))]
    for _ in range(chance.randrange(2, 5)):
        at = silence - TAKES + scene.bound * chance.uniform(-0.03, 0.1)
        items += ending(scene, at, node=(node + 1) % scene.settings.nodes)
    return items


def asleep(scene: Scene) -> list[Item]:
    """A verifier's machine is suspended, and things end meanwhile."""
    lasts = scene.lasts(0.5, 3)
    sleep = do(scene.start, "suspend_site", site=scene.site(), lasts=lasts)
    ended = [scene.start + lasts * scene.chance.uniform(-0.2, 0.7) for _ in range(2)]
    return [sleep, *(each for at in ended for each in ending(scene, at))]


def broken(scene: Scene) -> list[Item]:
    """Nodes that end, stand still, or lose their store."""
    items = []
    for _ in range(scene.chance.randrange(1, 3)):
        at, node, lasts = scene.at(0, 1.5), scene.node(), scene.lasts(0.2, 2)
        kind = scene.chance.choice(("crash", "pause", "store", "front"))
        if kind == "crash":
            silent = scene.chance.random() < 0.5
            items.append(do(at, kind, node=node, lasts=lasts, is_silent=silent))
        elif kind == "pause":
            items.append(do(at, kind, node=node, lasts=lasts))
        else:
            name = f"store-n{node}" if kind == "store" else f"n{node}"
            items.append(cuts(scene, name, at, lasts))
    return [*items, *traffic(scene), *ending(scene, scene.at(0.2, 1.7))]


def wrong_clock(scene: Scene) -> list[Item]:
    """Somebody sets a machine's wall clock, and things end meanwhile and afterwards."""
    chance = scene.chance
    name = chance.choice((f"n{scene.node()}", f"v{scene.site()}"))
    seconds = chance.choice(SECONDS_OFF) * chance.choice((-1, 1))
    lasts = scene.lasts(0.8, 4)
    clock = do(scene.start, "set_clock", machine=name, seconds=seconds, lasts=lasts)
    items = [clock, *traffic(scene)]
    for _ in range(chance.randrange(1, 4)):
        items += ending(scene, scene.at(0, 2.5))
    if chance.random() < 0.4:
        silence = scene.at(0.5, 2)
        items.append(cuts(scene, f"v{scene.site()}", silence, scene.lasts(1, 2)))
    if chance.random() < 0.1:
        items.append(do(scene.at(0.2, 2), "sweep", node=scene.node()))
    return items


def put_back(scene: Scene) -> list[Item]:
    """A backup, some life, and the backup restored; then new life, and endings of it, while a
    verifier heard of some of it only."""
    chance = scene.chance
    back = scene.start + scene.bound * chance.uniform(0.5, 1.5)
    lasts = scene.lasts(0.1, 0.5)
    undeclared = scene.lasts(0.1, 2) if chance.random() < 0.3 else 0.0
    items = [
        do(scene.start, "back_up"),
        *ending(scene, scene.at(0.1, 0.5)),
        *traffic(scene),
        do(back, "restore", lasts=lasts, undeclared=undeclared),
    ]
    after = back + lasts + undeclared
    items += [
        signs_in(scene, after + chance.uniform(0.05, 0.5), slot)
        for slot in range(scene.settings.slots)
    ]
    name = f"v{scene.site()}"
    if chance.random() < 0.7:
        items.append(cuts(scene, name, back - scene.bound * chance.uniform(0, 0.5), lasts * 2))
    for _ in range(chance.randrange(1, 4)):
        items += ending(scene, after + scene.bound * chance.uniform(0.3, 0.9))
    return items
