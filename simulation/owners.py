"""Owners of devices, and thieves: signing in, refreshing, replaying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import AuthError, RefreshReused
from simulation.asking import PATIENCE, Request
from simulation.ledger import Promise

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from counterfoil import Counterfoil, Opened
    from counterfoil.errors import CounterfoilError
    from simulation.ledger import Device, Token
    from simulation.node import IssuerNode
    from simulation.world import World

SURE: Final = 2 * PATIENCE  # before the end of the grace: an attempt may be under way that long
LONGEST_CALL: Final = 2.0  # seconds before the end of the grace: from a call to its look-up
TABS: Final = 1.0  # seconds in which a second tab refreshes with the same handle


@dataclass(slots=True)
class Slot:
    """Where an owner keeps a device. since: when the refresh that is under way began."""

    device: Device | None = None
    token: Token | None = None
    since: float = 0.0
    under_way: int = 0


class Owners:
    """Everybody who signs in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.slots = [Slot() for _ in range(world.settings.slots)]

    def sign_in(self, slot: int, subject: int, client: str, node: int) -> None:
        world, place = self._world, self.slots[slot]
        name, asked_at = world.ledger.subjects[subject].name, world.loop.now

        def told(opened: Opened | None, _: CounterfoilError | None, at: IssuerNode) -> None:
            if opened is not None:
                token = world.ledger.opened(opened, asked_at=asked_at)
                self._look(token)
                world.tell(at.name, "opens", f"{token.name} of {name} for {client}")

        def heard(opened: Opened | None, error: CounterfoilError | None) -> None:
            if opened is None:
                world.tell("owner", "learns", f"no sign-in at slot {slot}: {_code(error)}")
                return
            place.device = world.ledger.devices[opened.session.id]
            self._hold(place, place.device, opened)

        world.asking.ask(
            Request(
                lambda engine: engine.open(name, client_id=client),
                told,
                heard,
                until=asked_at + PATIENCE,
                place=node,
            )
        )

    def refresh(self, slot: int, node: int) -> None:
        """The owner, perhaps in two tabs at nearly the same time; retried while the grace lasts."""
        world, place = self._world, self.slots[slot]
        device, now = place.device, world.loop.now
        if device is None or (place.under_way and now - place.since > TABS):
            return
        since = place.since = place.since if place.under_way else now
        place.under_way += 1
        handle = device.handle

        def told(opened: Opened | None, error: CounterfoilError | None, at: IssuerNode) -> None:
            if opened is not None:
                token = world.ledger.issued(device, opened, asked_at=now)
                self._look(token)
                world.tell(at.name, "renews", f"{token.name}, claims {token.claims}")
            elif isinstance(error, AuthError):
                world.judge.refused_refresh(device, error, since=since, at=at)

        def heard(opened: Opened | None, error: CounterfoilError | None) -> None:
            place.under_way -= 1
            if opened is None:
                # Whether the handle was spent, and when, its owner cannot know any more.
                device.doubt(now=world.loop.now)
                world.tell("owner", "learns", f"no refresh of {device.name}: {_code(error)}")
            else:
                self._hold(place, device, opened)

        grace = world.clients[device.client_id].lifetime.grace.total_seconds()

        def verb(engine: Counterfoil) -> Coroutine[Any, Any, Opened]:
            if world.loop.now > since + grace - LONGEST_CALL:
                # A copy that was on its way for so long is a use of a spent handle after its grace.
                device.doubt(now=world.loop.now)
            return engine.refresh(handle)

        world.asking.ask(
            Request(
                verb,
                told,
                heard,
                until=since + grace - SURE,
                place=node,
            )
        )

    def replay(self, slot: int, back: int, node: int) -> None:
        """A thief with a handle that its owner has spent."""
        world, device = self._world, self.slots[slot].device
        if device is None or not device.spent:
            return
        handle, now = device.spent[-min(back, len(device.spent))], world.loop.now
        device.end_maybe(now=now)

        def told(opened: Opened | None, error: CounterfoilError | None, at: IssuerNode) -> None:
            world.tell(at.name, "is robbed", f"{device.name}: {_code(error)}")
            if opened is not None:
                self._look(world.ledger.issued(device, opened, asked_at=now))
            elif isinstance(error, RefreshReused):
                lag = world.ledger.lag(device.client_id)
                promise = Promise("reused", world.loop.now, lag)
                device.promises.append(promise)
                world.judge.watch(lambda each: each is device, promise)

        world.asking.ask(
            Request(
                lambda engine: engine.refresh(handle), told, lambda *_: None, until=now, place=node
            )
        )

    def _hold(self, place: Slot, device: Device, opened: Opened) -> None:
        self._world.ledger.held(device, opened)
        held = (each for each in device.tokens if each.text == opened.credential.token)
        if place.device is device:
            place.token = next(held)

    def _look(self, token: Token) -> None:
        """Nothing is expected of what a wrong clock may have dated."""
        if self._world.faults.was_any_node_wrong(since=token.asked_at):
            token.device.doubt(now=self._world.loop.now)


def _code(error: CounterfoilError | None) -> str:
    return "no answer" if error is None else error.code
