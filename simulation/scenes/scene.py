"""A scene's place in a plan, and the items that most scenes are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulation.plan import Item

if TYPE_CHECKING:
    from random import Random

    from simulation.plan import Settings

TAKES: Final = 0.08  # seconds from when an ending is asked for until it is committed
CLIENTS: Final = ("api", "api", "api", "batch", "web")


@dataclass(frozen=True, slots=True)
class Scene:
    """chance: of this plan. start: when it begins. bound: max_staleness, in which most of it is
    measured."""

    chance: Random
    settings: Settings
    start: float

    @property
    def bound(self) -> float:
        return self.settings.max_staleness

    def at(self, since: float, until: float) -> float:
        """A moment of the scene, between these shares of the bound."""
        return self.start + self.bound * self.chance.uniform(since, until)

    def lasts(self, least: float, most: float) -> float:
        return self.bound * self.chance.uniform(least, most)

    def node(self) -> int:
        return self.chance.randrange(self.settings.nodes)

    def site(self) -> int:
        return self.chance.randrange(self.settings.verifiers)

    def slot(self) -> int:
        return self.chance.randrange(self.settings.slots)

    def subject(self) -> int:
        return self.chance.randrange(self.settings.subjects)


def do(at: float, what: str, **given: Any) -> Item:
    """At that moment, this."""
    return Item(at, what, given)


def signs_in(scene: Scene, at: float, slot: int, subject: int | None = None) -> Item:
    who = scene.subject() if subject is None else subject
    client = scene.chance.choice(CLIENTS)
    return do(at, "sign_in", slot=slot, subject=who, client=client, node=scene.node())


def cuts(scene: Scene, links: str, at: float, lasts: float) -> Item:
    way = scene.chance.choice(("both", "both", "there", "back"))
    return do(at, "cut", links=links, way=way, lasts=lasts)


def slows(scene: Scene, links: str, at: float, *, most: float = 0.8) -> Item:
    return do(
        at,
        "weather",
        links=links,
        way=scene.chance.choice(("both", "both", "back")),
        slow=scene.lasts(0.1, most),
        lasts=scene.lasts(0.8, 2),
    )


def ending(scene: Scene, at: float, *, node: int | None = None) -> list[Item]:
    """Somebody's session ends, or something else that verifiers must hear of."""
    chance, node = scene.chance, scene.node() if node is None else node
    kind = chance.choices(
        ("revoke", "revoke_all", "revoke_client", "suspend", "change_claims", "distrust"),
        (8, 2, 1, 3, 4, 1),
    )[0]
    if kind == "revoke":
        return [do(at, kind, slot=scene.slot(), node=node)]
    if kind == "revoke_client":
        return [do(at, kind, client=chance.choice(CLIENTS), node=node)]
    if kind == "distrust":
        return [do(at, kind, purpose="tokens", state="active", node=node)]
    if kind == "revoke_all":
        keep = chance.choice([None, scene.slot()])
        return [do(at, kind, subject=scene.subject(), node=node, keep=keep)]
    return [do(at, kind, subject=scene.subject(), node=node)]
