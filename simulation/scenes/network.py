"""What the network does between verifiers and their issuer, and what stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.scenes.people import traffic
from simulation.scenes.scene import TAKES, cuts, do, ending, signs_in

if TYPE_CHECKING:
    from simulation.plan import Item
    from simulation.scenes.scene import Scene

SWAPS: Final = {"swaps": 0.7, "replays": 0.1}


def dark(scene: Scene) -> list[Item]:
    """Endings, and silence: a verifier is cut off at about the same moment, perhaps one way only,
    perhaps while an answer is on its way that was slow."""
    chance, name = scene.chance, f"v{scene.site()}"
    silence = scene.at(0.7, 1.1)
    way = chance.choice(("both", "there", "there", "back"))
    items = [do(silence, "cut", links=name, way=way, lasts=scene.lasts(1.2, 3))]
    if chance.random() < 0.7:
        slow = do(
            scene.start,
            "weather",
            links=name,
            way=chance.choice(("back", "both")),
            twice=chance.choice((0.0, 0.3)),
            slow=scene.lasts(0.1, 0.35),
            lasts=silence - scene.start,
        )
        items.append(slow)
    for _ in range(chance.randrange(2, 5)):
        items += ending(scene, silence - TAKES + scene.bound * chance.uniform(-0.08, 0.12))
    return items


def replayed(scene: Scene) -> list[Item]:
    """A proxy that answers from its memory, or spoils what comes."""
    chance, site = scene.chance, scene.site()
    manners: dict[str, Any] = chance.choice(
        (
            {"caches": "url"},
            {"caches": "path"},
            {"replays": chance.choice((0.4, 1.0, 1.0))},
            SWAPS,
            {"cuts": 0.4, "fails": 0.3},
        )
    )
    proxy = do(scene.start, "proxy", site=site, lasts=scene.lasts(1.5, 4), **manners)
    items = [proxy, *ending(scene, scene.at(-0.2, 1))]
    if chance.random() < 0.4:
        items.append(do(scene.at(0.5, 1.5), "restart_site", site=site))
    return items


def storm(scene: Scene) -> list[Item]:
    """Bad weather for everybody, or on some links, with people and endings in it."""
    chance = scene.chance
    links = chance.choice(("v", "n", "store", "people", f"v{scene.site()}", f"n{scene.node()}"))
    weather = do(
        scene.start,
        "weather",
        links=links,
        loss=chance.choice((0.0, 0.1, 0.4)),
        twice=chance.choice((0.0, 0.2, 0.5)),
        slow=scene.lasts(0.05, 0.6),
        lasts=scene.lasts(1, 3),
    )
    return [weather, *traffic(scene), *ending(scene, scene.at(0.3, 1.5))]


def outage(scene: Scene) -> list[Item]:
    """The store, or every node, cannot be reached by anybody."""
    links = scene.chance.choice(("store", "n", "people", "v"))
    silence = cuts(scene, links, scene.start, scene.lasts(0.3, 2.5))
    return [silence, *ending(scene, scene.at(-0.3, 1)), *traffic(scene)]


def late(scene: Scene) -> list[Item]:
    """An answer is so slow that the next one is asked for and there before it, while a subject
    comes and goes."""
    subject, name = scene.subject(), f"v{scene.site()}"
    back = scene.at(0.4, 0.8)
    slow = do(
        back - scene.bound * 0.02,
        "weather",
        links=name,
        slow=scene.lasts(1, 1.8),
        lasts=scene.lasts(0.05, 0.2) + 0.15,
    )
    again = back + scene.lasts(0.4, 1)
    return [
        slow,
        signs_in(scene, scene.at(-0.4, -0.2), scene.slot(), subject=subject),
        do(scene.start, "suspend", subject=subject, node=scene.node()),
        do(back, "reinstate", subject=subject, node=scene.node()),
        do(again, "revoke_all", subject=subject, node=scene.node(), keep=None),
    ]


def old_lists(scene: Scene) -> list[Item]:
    """A cache keeps lists, and a verifier begins anew with those, while its line is slow or cut."""
    chance, site = scene.chance, scene.site()
    name, anew = f"v{site}", scene.at(0.4, 0.8)
    manners = chance.choice(({"caches": "lists"}, {"caches": "lists"}, {"caches": "keys"}, SWAPS))
    items = [
        do(scene.start, "proxy", site=site, lasts=scene.lasts(2, 4), **manners),
        do(anew, "restart_site", site=site),
    ]
    if manners is not SWAPS:
        silence = anew + scene.bound * chance.uniform(0, 0.5)
        items.append(cuts(scene, name, silence, scene.lasts(1.5, 3)))
    if chance.random() < 0.7:
        items.append(
            do(
                anew,
                "weather",
                links=name,
                slow=scene.lasts(0.05, 0.2),
                lasts=scene.bound,
            )
        )
    for _ in range(2):
        items += ending(scene, scene.at(0.1, 0.6))
    return items
