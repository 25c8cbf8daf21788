"""What people do, while the network is as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.scenes.scene import cuts, do, ending, signs_in, slows

if TYPE_CHECKING:
    from simulation.plan import Item
    from simulation.scenes.scene import Scene


def life(scene: Scene) -> list[Item]:
    """Somebody comes, so that there is always something to end."""
    items = [
        signs_in(scene, scene.at(-0.3, -0.1), scene.slot())
        for _ in range(scene.chance.randrange(1, 4))
    ]
    if scene.chance.random() < 0.4:
        items.append(
            do(scene.at(-0.6, -0.4), "reinstate", subject=scene.subject(), node=scene.node())
        )
    return items


def traffic(scene: Scene) -> list[Item]:
    """People come and go."""
    items = []
    for _ in range(scene.chance.randrange(2, 6)):
        at, node, slot = scene.at(0, 2), scene.node(), scene.slot()
        kind = scene.chance.choices(("sign_in", "refresh", "tabs", "replay"), (3, 6, 2, 0.5))[0]
        if kind == "sign_in":
            items.append(signs_in(scene, at, slot))
        elif kind == "replay":
            back = scene.chance.randrange(1, 4)
            items.append(do(at, kind, slot=slot, back=back, node=node))
        else:
            items.append(do(at, "refresh", slot=slot, node=node))
            if kind == "tabs":
                second = at + scene.chance.uniform(0, 0.3)
                items.append(do(second, "refresh", slot=slot, node=scene.node()))
    return items


def endings(scene: Scene) -> list[Item]:
    """One or two endings in good weather."""
    return [
        item for _ in range(scene.chance.randrange(1, 3)) for item in ending(scene, scene.at(0, 2))
    ]


def crossing(scene: Scene) -> list[Item]:
    """Several things about one subject at nearly the same time, at different nodes."""
    subject, chance = scene.subject(), scene.chance
    items = []
    if chance.random() < 0.5:
        items.append(slows(scene, f"store-n{scene.node()}", scene.start))
    verbs = ("suspend", "reinstate", "change_claims", "revoke_all", "refresh", "sign_in", "revoke")
    for _ in range(chance.randrange(3, 7)):
        at, verb = scene.at(0.2, 0.5), chance.choice(verbs)
        if verb == "sign_in":
            items.append(signs_in(scene, at, scene.slot(), subject=subject))
        elif verb in {"refresh", "revoke"}:
            items.append(do(at, verb, slot=scene.slot(), node=scene.node()))
        else:
            items.append(do(at, verb, subject=subject, node=scene.node()))
    return items


def return_of(scene: Scene) -> list[Item]:
    """A subject is suspended, reinstated, and their claims change around it."""
    subject, chance = scene.subject(), scene.chance
    verbs = ["suspend", "change_claims", "reinstate"]
    chance.shuffle(verbs)
    verbs += ["reinstate"] if chance.random() < 0.7 else []
    moments = sorted(scene.at(0, 2) for _ in verbs)
    items = [
        do(at, verb, subject=subject, node=scene.node())
        for at, verb in zip(moments, verbs, strict=True)
    ]
    if chance.random() < 0.4:
        items.append(cuts(scene, f"v{scene.site()}", moments[-1], scene.lasts(1, 2)))
    return [*items, *traffic(scene)]


def side_by_side(scene: Scene) -> list[Item]:
    """Commits about different subjects at once, again and again, on ways to the store that are
    slow."""
    chance, settings = scene.chance, scene.settings
    items = [slows(scene, "store", scene.start, most=0.25)]
    items += [
        signs_in(scene, scene.at(-0.5, -0.2), slot, subject=slot % settings.subjects)
        for slot in range(settings.slots)
    ]
    for at in (scene.at(0.2, 0.5), scene.at(0.6, 0.9)):
        for subject in range(settings.subjects):
            moment = at + scene.bound * chance.uniform(0, 0.04)
            verb = chance.choice(("revoke_all", "suspend", "reinstate", "change_claims"))
            items.append(do(moment, verb, subject=subject, node=scene.node()))
    return items


def crowd(scene: Scene) -> list[Item]:
    """So many sign in at once that a list is used up, and some of them end at once."""
    at = scene.at(0, 0.5)
    slots = [scene.slot() for _ in range(scene.chance.randrange(5, 10))]
    items = [signs_in(scene, at + scene.lasts(0, 0.2), slot) for slot in slots]
    for slot in scene.chance.sample(slots, 3):
        ended = at + scene.lasts(0.1, 0.4)
        items.append(do(ended, "revoke", slot=slot, node=scene.node()))
    return items


def new_keys(scene: Scene) -> list[Item]:
    """Keys change, by plan or because one was stolen."""
    chance = scene.chance
    purpose = chance.choice(("tokens", "status"))
    items = []
    if chance.random() < 0.6:
        items.append(do(scene.at(0, 0.5), "rotate", purpose=purpose, node=scene.node()))
    if chance.random() < 0.7:
        state = chance.choice(("active", "retiring", "next"))
        items.append(
            do(scene.at(0.5, 1), "distrust", purpose=purpose, state=state, node=scene.node())
        )
    return [*items, *traffic(scene)]


def housekeeping(scene: Scene) -> list[Item]:
    return [do(scene.at(0, 1), "sweep", node=scene.node())]
