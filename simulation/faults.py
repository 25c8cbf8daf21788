"""What goes wrong: each fault begins, lasts, and is over; and whom it touches meanwhile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simulation.ledger import NEVER, Promise
from simulation.network import Weather
from simulation.proxy import Manners

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.judge import Site
    from simulation.machine import Machine
    from simulation.network import Link, Way
    from simulation.node import IssuerNode
    from simulation.world import World

ISSUER: Final = "issuer"  # touches everybody: nobody chooses the node that answers
KEYS_UNSETTLED: Final = 12.0


class Touch(NamedTuple):
    """Whom a fault touched, from when to when."""

    whom: str
    since: float
    until: float


class Faults:
    """Makes them, and remembers them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._touches: list[Touch] = []
        self._wrong: list[Touch] = []
        self._settled_at = NEVER
        self._ends: list[Callable[[], object]] = []

    # The network.

    def cut(self, links: str, way: str, lasts: float) -> None:
        """way: there, back or both."""
        ways: tuple[Way, ...] = ("there", "back") if way == "both" else (way,)  # type: ignore[assignment]
        for link in self._world.links_of(links):
            for each in ways:
                link.cuts[each] += 1
                self._later(lasts, partial(self._mend, link, each))
        self._touch(links, lasts)

    def weather(self, links: str, lasts: float, *, slow: float = 0.0, **more: Any) -> None:
        weather = Weather(slow=slow, **more)
        for link in self._world.links_of(links):
            link.weather.append(weather)
            self._later(lasts, partial(link.weather.remove, weather))
        self._touch(links, lasts + slow)

    def proxy(self, site: int, lasts: float, **manners: Any) -> None:
        proxy = self._world.proxies[site]
        chosen = Manners(**manners)
        proxy.manners = chosen

        def ends() -> None:
            if proxy.manners is chosen:
                proxy.manners = None

        self._later(lasts, ends)
        self._touch(self._world.sites[site].name, lasts)

    # Machines.

    def crash(self, node: int, lasts: float, *, is_silent: bool) -> None:
        at = self._world.nodes[node]
        if not at.machine.is_up:
            return
        at.crash(is_silent=is_silent)
        self._later(lasts, partial(self._start, at))
        self._touch(ISSUER, lasts)

    def pause(self, node: int, lasts: float) -> None:
        """A node stands still, with all that it had begun."""
        self._pause(self._world.nodes[node].machine, lasts, lambda: None)
        self._touch(ISSUER, lasts)

    def suspend_site(self, site: int, lasts: float) -> None:
        """A verifier's machine sleeps; whoever wakes first may be a check."""
        world = self._world
        at = world.sites[site]

        def wakes() -> None:
            at.machine.is_paused = False
            for device in world.ledger.devices.values():
                for token in device.tokens[-2:]:
                    world.judge.check(at, token)

        self._pause(at.machine, lasts, wakes)
        self._touch(at.name, lasts)

    def restart_site(self, site: int) -> None:
        """A verifier begins anew and knows nothing."""
        at = self._world.sites[site]
        if at.machine.is_running:
            at.machine.crash()
            at.start()
            self._touch(at.name, 0)

    def set_clock(self, machine: str, seconds: float, lasts: float) -> None:
        """Somebody sets a wall clock, and later puts it right."""
        found = self._world.machine(machine)
        found.move_clock(seconds)
        self._later(lasts, partial(found.move_clock, -seconds))
        whom = found.name if found.name.startswith("v") else ISSUER
        self._touch(whom, lasts)
        if whom == ISSUER:
            now = self._world.loop.now
            self._wrong.append(Touch(ISSUER, now, now + lasts))

    def lag(self, node: int, lasts: float) -> None:
        """A node reads on only where somebody asks it to."""
        at = self._world.nodes[node]
        at.is_lagging = True

        def over() -> None:
            at.is_lagging = False

        self._later(lasts, over)
        self._touch(ISSUER, lasts)

    def drain(self, node: int, lasts: float) -> None:
        """No verifier is sent to this node for a while, if there is another one."""
        drained = self._world.drained
        drained.append(node)
        self._later(lasts, partial(drained.remove, node))

    # The store.

    def back_up(self) -> None:
        self._world.primary.back_up()

    def restore(self, lasts: float, undeclared: float) -> None:
        """Somebody stops the nodes, puts the store back to its backup, starts the nodes again, and
        declares it: before that, or so much later, once it was noticed."""
        world = self._world
        if not world.primary.is_backed_up:
            return
        for node in world.nodes:
            if node.machine.is_up:
                node.crash(is_silent=True)
        undeclared = 0.0 if world.primary.is_as_backed_up else undeclared
        world.primary.put_back()
        for device in world.ledger.devices.values():
            device.end_maybe(now=world.loop.now)
        self._touch(ISSUER, lasts + undeclared)
        if undeclared:
            self._later(lasts, self._start_all)
            self._later(lasts + undeclared, self._declare)
        else:
            self._later(lasts, self._declare)
            self._later(lasts, self._start_all)

    def _start_all(self) -> None:
        for node in self._world.nodes:
            self._start(node)

    def _declare(self) -> None:
        """From now on nothing of before is good, and nothing more is promised about subjects."""
        world = self._world
        world.primary.declare(world.keys)
        world.tell("operator", "declares", "the restore")
        for subject in world.ledger.subjects:
            subject.forget()
        before = [*world.ledger.devices.values()]
        for device in before:
            device.end_maybe(now=world.loop.now)
            promise = Promise("restored", world.loop.now, world.ledger.lag(device.client_id))
            device.promises.append(promise)
        for lag in {0.0, *world.ledger.bounds.values()}:
            promise = Promise("restored", world.loop.now, lag)
            world.judge.watch(lambda each: each in before, promise)

    # How it was.

    def is_calm(self, site: Site, *, now: float, at_least: float = 0.0) -> bool:
        """Whether nothing has touched this site or its issuer for long enough, in seconds twice
        max_staleness and `at_least` so many."""
        since = now - max(2 * self._world.settings.longest, at_least)
        return now >= self._settled_at or (
            since > 0
            and not any(
                touch.until > since and touch.whom in {ISSUER, site.name} for touch in self._touches
            )
        )

    def was_any_node_wrong(self, *, since: float) -> bool:
        return any(touch.until > since for touch in self._wrong)

    def keys_distrusted(self) -> None:
        """What signs now may not have been published long enough to be known."""
        self._touch(ISSUER, KEYS_UNSETTLED)

    def settled(self) -> None:
        """From now on all is as if nothing had ever gone wrong."""
        self._settled_at = self._world.loop.now

    def heal(self) -> None:
        """Ends all that lasts."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()
        now = self._world.loop.now
        self._touches = [touch._replace(until=min(touch.until, now)) for touch in self._touches]
        self._wrong = [touch._replace(until=min(touch.until, now)) for touch in self._wrong]

    def _touch(self, whom: str, lasts: float) -> None:
        now = self._world.loop.now
        name = whom if any(site.name == whom for site in self._world.sites) else ISSUER
        self._touches.append(Touch(name, now, now + lasts))

    def _later(self, lasts: float, end: Callable[[], object]) -> None:
        """Ends it then, or when all is healed."""
        waiting = [end]

        def once() -> None:
            while waiting:
                waiting.pop()()

        self._ends.append(once)
        self._world.loop.after(lasts, once)

    def _mend(self, link: Link, way: Way) -> None:
        link.cuts[way] -= 1

    def _pause(self, machine: Machine, lasts: float, wakes: Callable[[], object]) -> None:
        if not machine.is_running:
            return
        machine.pause()

        def over() -> None:
            if machine.is_paused:
                wakes()
                machine.resume()

        self._later(lasts, over)

    def _start(self, at: IssuerNode) -> None:
        if not at.machine.is_up:
            at.start()
            self._world.tell(at.name, "starts")
