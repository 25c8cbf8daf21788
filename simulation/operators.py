"""Operators, and the application: ending sessions, suspending, changing claims and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from counterfoil.errors import KeyTooNew
from simulation.asking import Request
from simulation.ledger import Ending, Operation, Promise, Suspension

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.errors import CounterfoilError
    from counterfoil.keys import Purpose
    from counterfoil.outcome import Changed, Revoked
    from simulation.asking import Verb
    from simulation.ledger import Device
    from simulation.node import IssuerNode
    from simulation.world import World

PERSISTENCE: Final = 15.0  # seconds for which an operator repeats what is not acknowledged


class Operators:
    """Everybody who ends what others have begun."""

    def __init__(self, world: World) -> None:
        self._world = world

    def revoke(self, slot: int, node: int) -> None:
        device = self._world.owners.slots[slot].device
        if device is not None:
            self._end(
                lambda each: each is device,
                lambda engine: engine.revoke(device.session_id),
                node=node,
                what=f"revoke {device.name}",
            )

    def revoke_all(self, subject: int, node: int, keep: int | None = None) -> None:
        who = self._world.ledger.subjects[subject]
        kept = self._world.owners.slots[keep].device if keep is not None else None
        kept_id = kept.session_id if kept is not None else None
        self._end(
            lambda each: each.subject is who and each is not kept,
            lambda engine: engine.revoke_all(who.name, keep=kept_id),
            node=node,
            what=f"revoke all of {who.name}" + (f" but {kept.name}" if kept else ""),
        )

    def revoke_client(self, client: str, node: int) -> None:
        self._end(
            lambda each: each.client_id == client,
            lambda engine: engine.revoke_client(client),
            node=node,
            what=f"revoke client {client}",
        )

    def suspend(self, subject: int, node: int) -> None:
        world, who = self._world, self._world.ledger.subjects[subject]
        suspension = Suspension(Operation(world.loop.now))
        who.suspensions.append(suspension)

        def done(changed: Changed, at: IssuerNode) -> None:
            if suspension.promise is None:
                suspension.promise = self._promise("suspended", changed, at)
                world.judge.watch(lambda each: each.subject is who, suspension.promise)

        self._operate(
            lambda engine: engine.suspend(who.name),
            done,
            node=node,
            what=f"suspend {who.name}",
            operation=suspension.operation,
        )

    def reinstate(self, subject: int, node: int) -> None:
        who = self._world.ledger.subjects[subject]
        operation = Operation(self._world.loop.now)
        who.reinstatements.append(operation)
        self._operate(
            lambda engine: engine.reinstate(who.name),
            lambda *_: None,
            node=node,
            what=f"reinstate {who.name}",
            operation=operation,
        )

    def change_claims(self, subject: int, node: int) -> None:
        """The application commits its change, then says so, and only then acknowledges it."""
        world, who = self._world, self._world.ledger.subjects[subject]
        who.claims += 1
        version, operation = who.claims, Operation(world.loop.now)
        who.changes.append(operation)

        def done(changed: Changed, at: IssuerNode) -> None:
            promise = self._promise(f"claims {version}", changed, at)
            who.stale.append((version, promise))
            world.judge.watch(lambda each: each.subject is who, promise)

        self._operate(
            lambda engine: engine.claims_changed(who.name),
            done,
            node=node,
            what=f"change claims of {who.name} to {version}",
            operation=operation,
        )

    def rotate(self, purpose: Purpose, node: int) -> None:
        at = self._world.nodes[node]
        if not at.machine.is_running:
            return
        now = at.machine.now()
        try:
            self._world.keys.update(lambda keys: keys.rotate("ES256", now=now, purpose=purpose))
        except KeyTooNew:
            return
        self._world.tell(at.name, "rotates", f"key for {purpose}")

    def distrust(self, purpose: Purpose, state: str, node: int) -> None:
        """A key is said to be stolen."""
        world, at = self._world, self._world.nodes[node]
        wanted = (purpose, state, "ES256")
        keys = world.keys.signing_keys().keys
        chosen = [k.kid for k in keys if (k.purpose, k.state, k.algorithm) == wanted]
        if not chosen or not at.machine.is_running:
            return
        now = at.machine.now()
        world.keys.update(lambda keys: keys.distrust(chosen[-1], now=now))
        world.tell(at.name, "distrusts", f"{state} key for {purpose}")
        world.trace.count("distrusted keys")
        world.keys_distrusted()
        world.ledger.distrusted[chosen[-1]] = world.loop.now
        for lag in world.ledger.bounds.values():
            promise = Promise("distrusted", world.loop.now, lag)
            world.judge.watch(lambda each: bool(each.tokens[-1].kid), promise)

    def sweep(self, node: int) -> None:
        at = self._world.nodes[node]
        if at.machine.is_running:
            if not at.machine.is_right:
                self._world.doubt_all()
            at.machine.spawn(at.engine.store.sweep(now=at.machine.now()), lambda *_: None)

    def _end(self, concerns: Callable[[Device], bool], verb: Verb, *, node: int, what: str) -> None:
        """Ends sessions: surely those that were open before, perhaps those opened meanwhile."""
        world, began = self._world, self._world.loop.now
        operation = Operation(began)
        world.ledger.endings.append(Ending(operation, concerns))

        def done(revoked: Revoked, at: IssuerNode) -> None:
            promise = self._promise("revoked", revoked, at)
            for device in world.ledger.devices_that(concerns):
                if device.opened_at < began:
                    device.promises.append(promise)
            world.judge.watch(concerns, promise)

        self._operate(verb, done, node=node, what=what, operation=operation)

    def _promise(self, what: str, said: Changed | Revoked, at: IssuerNode) -> Promise:
        within = said.effective_within.total_seconds()
        return Promise(what, self._world.loop.now, within, rests_on_clocks=at.machine.is_right)

    def _operate(
        self,
        verb: Verb,
        done: Callable[[Any, IssuerNode], object],
        *,
        node: int,
        what: str,
        operation: Operation,
    ) -> None:
        world, now = self._world, self._world.loop.now

        def told(value: Any, error: CounterfoilError | None, at: IssuerNode) -> None:
            if error is not None:
                world.tell(at.name, "cannot", f"{what}: {error.code}")
                return
            operation.acknowledged = min(operation.acknowledged, world.loop.now)
            within = value.effective_within.total_seconds()
            world.tell(at.name, "acknowledges", f"{what}, within {within:g} s")
            world.trace.count("acknowledgements")
            done(value, at)

        world.tell("operator", "asks for", what)
        world.asking.ask(
            Request(
                verb,
                told,
                lambda *_: None,
                until=now + PERSISTENCE,
                place=node,
                operation=operation,
            )
        )
