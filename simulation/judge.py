"""The invariants, asked at every check.

(i) No check that begins later than was promised passes. (ii) No honest credential is refused while
it is live, and none is answered "cannot know" by a verifier that is connected and fresh: no fault
has touched it, nor its issuer, for twice `max_staleness`, and for BEGINS where it knows nothing
yet. What follows after all is healed (iii) is in `healing`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from counterfoil import Presented
from counterfoil.errors import AuthError, SessionUnknown, Unavailable
from simulation.ledger import NEVER
from simulation.machine import RIGHT
from simulation.site import VerifierSite

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.errors import CounterfoilError
    from simulation.ledger import Device, Promise, Token
    from simulation.node import IssuerNode
    from simulation.world import World

    Site = IssuerNode | VerifierSite

# After a promise binds, checks begin at these shares of max_staleness: most that is wrong shows for
# a moment only.
WATCHED: Final = (0.0005, 0.08, 0.35, 1.5)
NEWEST: Final = 3  # tokens of a device that are tried
OVER: Final = 3 * RIGHT  # seconds; a token that ends sooner may be over on some clock
SEEN: Final = 2.5  # max_staleness for which what is over is looked at
# Seconds. A verifier that begins does not know max_staleness yet: the request that was out when a
# fault ended takes its 5 s, the pause after it up to 2, and then keys, feed and lists follow.
BEGINS: Final = 9.0
YOUNG: Final = 12.0  # seconds within which a key that had no time to be published is heard of


class Violation(Exception):
    """An invariant does not hold."""

    def __init__(self, who: str, what: str) -> None:
        super().__init__(what)
        self.who = who


class Judge:
    """Has credentials checked, and compares what comes of it with the ledger."""

    def __init__(self, world: World) -> None:
        self._world = world

    # Who is checked, and when.

    def watch(self, concerns: Callable[[Device], bool], promise: Promise) -> None:
        """Has them checked from when the promise binds."""
        loop, span = self._world.loop, self._world.settings.max_staleness
        bounds = self._world.ledger.bounds.values()
        longer = bounds if promise.within < min(bounds) else ()
        for within in {promise.within, *longer}:
            for share in WATCHED:
                moment = promise.acknowledged + within + share * span
                loop.at(moment, partial(self.check_all, concerns))

    def check_all(self, concerns: Callable[[Device], bool], *, is_last: bool = False) -> None:
        """But for those of which it has long been seen that they are over; the last time those
        too."""
        now, span = self._world.loop.now, self._world.settings.longest
        for device in self._world.ledger.devices_that(concerns):
            if is_last or not self._is_long_over(device, now - SEEN * span):
                for token in device.tokens[-NEWEST:]:
                    self.check_everywhere(token)

    def check_everywhere(self, token: Token) -> None:
        world = self._world
        for site in world.sites:
            self.check(site, token)
        # Handles are looked up in the store, whichever node does it.
        for node in world.nodes if token.is_signed else (world.any_node(),):
            self.check(node, token)

    def check(self, site: Site, token: Token) -> None:
        """One check, if anything runs there, and if its clock does not say that it is over."""
        is_past = token.expires_at < self._world.loop.now - OVER
        if not site.machine.is_running or (is_past and site.machine.is_right):
            return
        began = self._world.loop.now
        if isinstance(site, VerifierSite):
            if token.is_signed:
                self._compare(site, token, began, lambda: site.verifier.check(token.text))
        elif token.is_signed:
            presented = Presented(token.text)
            self._compare(site, token, began, lambda: site.engine.check_token(presented))
        elif token.device.handle == token.text or token.device.promises:
            site.machine.spawn(
                site.engine.check(Presented(token.text)),
                lambda verified, error: self._over(site, token, began, verified, error),
            )

    def _is_long_over(self, device: Device, since: float) -> bool:
        ledger = self._world.ledger
        longest = ledger.lag(device.client_id)
        ended = [promise.acknowledged for promise in device.promises]
        ended += [ledger.distrusted.get(token.kid, NEVER) for token in device.tokens[-1:]]
        return min(ended) + longest < since

    # What comes of it.

    def refused_refresh(
        self, device: Device, error: AuthError, *, since: float, at: IssuerNode
    ) -> None:
        """Concurrency never signs an honest client out, nor does a lost reply that is retried."""
        world, now = self._world, self._world.loop.now
        world.tell(at.name, "refuses", f"refresh of {device.name}: {error.code}")
        if (
            device.in_doubt == NEVER
            and not world.faults.was_any_node_wrong(since=since)
            and world.ledger.is_surely_live(device, until=now)
            and device.subject.was_surely_free(since=since, until=now)
        ):
            raise Violation(at.name, f"{at.name} refuses {device.name} a refresh: {error.code}")
        if world.faults.was_any_node_wrong(since=since):
            # By its clock the grace period may have been over, and the session ended for it.
            device.doubt(now=now)

    def _compare(self, site: Site, token: Token, began: float, check: Callable[[], object]) -> None:
        try:
            verified, error = check(), None
        except (AuthError, Unavailable) as why:
            verified, error = None, why
        self._over(site, token, began, verified, error)

    def _over(
        self,
        site: Site,
        token: Token,
        began: float,
        verified: Any,
        error: CounterfoilError | None,
    ) -> None:
        world = self._world
        said = "passes" if error is None else error.code
        world.tell(site.name, "checks", f"{token.name}: {said}")
        if error is None:
            world.trace.count("checks passed")
            self._may_pass(site, token, began, verified)
        elif isinstance(error, AuthError):
            world.trace.count("checks refused")
            self._may_refuse(site, token, began, error)
        else:
            world.trace.count("checks 503")
            self._may_not_know(site, token, began, error)

    def _may_pass(self, site: Site, token: Token, began: float, verified: Any) -> None:
        ledger, ended = self._world.ledger, self._world.loop.now
        claims, longest = verified.claims["v"], ledger.lag(token.device.client_id)
        is_right = site.machine.is_right and token.device.in_doubt == NEVER
        for promise in ledger.promises(token, claims=claims, ended=ended):
            if began > promise.binding_from(longest=longest, clocks_are_right=is_right):
                raise Violation(
                    site.name,
                    f"{token.name} passes at {site.name} {began - promise.acknowledged:.3f} s after"
                    f" it was acknowledged ({promise.what}, within {promise.within:g} s)",
                )

    def _may_refuse(self, site: Site, token: Token, began: float, error: AuthError) -> None:
        if not self._is_honest(site, token, began):
            return
        if isinstance(error, SessionUnknown) and not self._has_heard_of(token, began):
            return
        raise Violation(site.name, f"{site.name} refuses {token.name}, honest: {error.code}")

    def _may_not_know(
        self, site: Site, token: Token, began: float, error: CounterfoilError
    ) -> None:
        if self._is_honest(site, token, began) and self._is_calm(site, began):
            raise Violation(
                site.name,
                f"{site.name} does not know about {token.name}, connected and fresh: {error.code}",
            )

    def _is_honest(self, site: Site, token: Token, began: float) -> bool:
        """Whether this credential is surely live, and was for as long as any verifier that still
        answers may not have heard anything."""
        world, device = self._world, token.device
        now = world.loop.now
        since = min(began, now) - world.settings.longest
        return (
            device.in_doubt == NEVER
            and site.machine.is_right
            and token.expires_at > now + OVER
            and world.ledger.is_surely_live(device, until=now)
            and device.subject.was_surely_free(since=since, until=now)
            and token.is_surely_fresh()
            and (not token.is_signed or self._is_key_known(site, token, now))
        )

    def _is_key_known(self, site: Site, token: Token, now: float) -> bool:
        world = self._world
        if token.kid in world.ledger.distrusted:
            return False
        published = world.keys.published[token.kid]
        is_old = published == float("-inf")
        return is_old or (now - published > YOUNG and self._is_calm(site, now))

    def _is_calm(self, site: Site, now: float) -> bool:
        is_new = isinstance(site, VerifierSite) and site.age == float("inf")
        return self._world.faults.is_calm(site, now=now, at_least=BEGINS if is_new else 0.0)

    def _has_heard_of(self, token: Token, began: float) -> bool:
        """Whether every verifier that still answers knows the token's list: it was announced
        before anything that they may go by, and no wrong clock has taken it for dropped."""
        world = self._world
        since = began - world.settings.longest
        announced = world.primary.announced.get(token.list_id, NEVER)
        return announced < since and not world.faults.was_any_node_wrong(since=since)
