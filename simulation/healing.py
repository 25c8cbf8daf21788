"""Everything put right, and what must follow within a stated time (iii): every verifier stands
where the store stands, what is live passes everywhere, and what has ended passes nowhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from counterfoil.drive import drive
from counterfoil.feeds.following import NO_FEED_PAUSE
from counterfoil.status_change import status_of
from simulation.judge import Violation
from simulation.ledger import NEVER

if TYPE_CHECKING:
    from counterfoil.status_mirror import StatusMirror
    from simulation.ledger import Device
    from simulation.world import World

MARGIN: Final = timedelta(seconds=3)  # before a list is dropped: clocks differ
# Seconds, and twice max_staleness: then all have converged. Who was told that there is no feed asks
# again after NO_FEED_PAUSE.
AFTER: Final = 14.0
LOOKS: Final = 8  # in one max_staleness


class Healing:
    """The end of a scenario."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._healed_at = NEVER

    def run(self) -> None:
        """Raises `Violation`."""
        world = self._world
        world.tell("all", "is healed")
        world.faults.heal()
        self._healed_at = world.loop.now
        self._settle()
        world.tell("all", "is settled")
        world.faults.settled()
        for place, slot in enumerate(world.owners.slots):
            if slot.device is not None and self._is_expected(slot.device):
                world.owners.refresh(place, node=place % len(world.nodes))
        world.loop.run(world.loop.now + world.settings.longest / 2)
        self._settle()
        world.tell("all", "is compared")
        for node in world.nodes:
            self._compare(node.name, node.mirror)
        for site in world.sites:
            self._compare(site.name, site.following.mirror)
        world.judge.check_all(lambda _: True, is_last=True)
        world.loop.run(world.loop.now + 1)

    def _settle(self) -> None:
        """Waits until everybody knows everything, and no longer than that may take. Raises
        `Violation`."""
        world, longest = self._world, self._world.settings.longest
        told_of_none = any(not site.following.has_feed for site in world.sites)
        until = world.loop.now + AFTER + 2 * longest + (NO_FEED_PAUSE if told_of_none else 0)
        while (late := self._late()) and world.loop.now < until:
            world.loop.run(world.loop.now + longest / LOOKS)
        if late:
            raise Violation(late, f"{late} has not come to where the store stands")

    def _late(self) -> str:
        """Somebody who does not know everything yet; nobody, once all that is asked is answered."""
        world = self._world
        position = world.primary.position
        for node in world.nodes:
            if node.mirror.position != position:
                return node.name
        for site in world.sites:
            if (
                site.following.mirror.position != position
                or site.age > world.loop.now - self._healed_at
                or not site.knows_keys(world.keys)
            ):
                return site.name
        return "" if world.asking.is_quiet else "people"

    def _is_expected(self, device: Device) -> bool:
        """Whether its owner must still be signed in."""
        world, now = self._world, self._world.loop.now
        return (
            device.in_doubt == NEVER
            and world.ledger.is_surely_live(device, until=now)
            and device.subject.was_surely_free(since=now, until=now)
        )

    def _compare(self, name: str, mirror: StatusMirror) -> None:
        """Raises `Violation` unless this mirror says of every index what the records say."""
        world, store = self._world, self._world.primary.store
        now = world.primary.machine.now()
        read = drive(store.feed(None, now=now))
        kept = {
            each.id
            for each in read.lists
            if each.dropped_at - now > MARGIN
            and world.primary.announced[each.id] < world.loop.now - world.settings.longest
        }
        if missing := kept - mirror.lists.keys():
            raise Violation(name, f"{name} lacks {len(missing)} lists")
        for device in world.ledger.devices.values():
            found = drive(store.look_up(device.session_id))
            for index in found.session.indices if found is not None else ():
                if found is None or index.list_id not in kept:
                    continue
                status = status_of(found.session, found.subject, index.claims_version)
                said = mirror.lists[index.list_id][index.index]
                if said != status:
                    raise Violation(name, f"{name} has {said} for {device.name}, which is {status}")
