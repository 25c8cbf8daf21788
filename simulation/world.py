"""One scenario run: everything put together, what the plan says done, and all healed at the end."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from counterfoil import Client, Lifetime
from simulation.asking import Asking
from simulation.faults import Faults
from simulation.healing import Healing
from simulation.judge import Judge, Violation
from simulation.keys import KeyFolder, quick_signatures
from simulation.ledger import Ledger
from simulation.loop import Loop, Wait
from simulation.machine import Machine
from simulation.network import Link, Network
from simulation.node import IssuerNode
from simulation.operators import Operators
from simulation.owners import Owners
from simulation.primary import Primary
from simulation.proxy import Proxy
from simulation.records import MEMORY, records
from simulation.site import AUDIENCE, VerifierSite
from simulation.trace import Trace

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from simulation.network import Reply
    from simulation.plan import Item, Plan, Settings
    from simulation.records import Records

TIMEOUT: Final = timedelta(seconds=5)  # of a verifier's request; the default
GRACE: Final = timedelta(seconds=12)
ASKS_THE_APPLICATION: Final = 0.01  # seconds that the application takes to say a subject's claims
LEAST_PATIENCE: Final = 2.0  # seconds of a node with its store
READS: Final = 12  # of each node's timer in one max_staleness
PATROLS: Final = 2  # in one max_staleness
ACTS: Final = frozenset(
    {
        "sign_in",
        "refresh",
        "replay",
        "revoke",
        "revoke_all",
        "revoke_client",
        "suspend",
        "reinstate",
        "change_claims",
        "rotate",
        "distrust",
        "sweep",
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan. failure: which invariant did not hold, if one did not."""

    failure: str
    who: str
    counts: Counter[str]
    trace: Trace

    @property
    def digest(self) -> str:
        return self.trace.digest


class World:
    """See above."""

    def __init__(self, plan: Plan, records: Records | None = None) -> None:
        self.plan = plan
        self.settings: Settings = plan.settings
        self.loop = Loop()
        self.trace = Trace(self.loop)
        self.clients = _clients(plan.settings)
        self.keys = KeyFolder(self.loop)
        bounds = {
            name: client.max_staleness.total_seconds()
            for name, client in self.clients.items()
            if client.strategy == "hybrid"
        }
        self.ledger = Ledger(plan.settings.subjects, bounds=bounds, now=lambda: self.loop.now)
        self.network = Network(self.loop)
        self.judge = Judge(self)
        self.faults = Faults(self)
        self.drained: list[int] = []  # nodes to which nobody is sent
        self._chances: dict[str, Random] = {}
        self.primary = Primary(self.loop, self.chance("store"), records)
        self._people = Machine(self.loop, "people")
        self._node_links = self._links("n", plan.settings.nodes)
        self._store_links = self._links("store-n", plan.settings.nodes)
        self._people_links = self._links("people-n", plan.settings.nodes)
        self._site_links = self._links("v", plan.settings.verifiers)
        self.nodes = [self._node(number) for number in range(plan.settings.nodes)]
        self.proxies = [Proxy(self.chance(f"proxy{n}")) for n in range(plan.settings.verifiers)]
        self.sites = [self._site(number) for number in range(plan.settings.verifiers)]
        self.asking = Asking(self._people, self.network, self.nodes, self._people_links)
        self.owners = Owners(self)
        self.operators = Operators(self)

    def chance(self, of: str) -> Random:
        """Each part has its own, so that leaving out an item changes little elsewhere."""
        return self._chances.setdefault(of, Random(f"{self.plan.seed} {of}"))

    def run(self) -> Outcome:
        failure = who = ""
        for item in self.plan.items:
            self.loop.at(item.at, partial(self._do, item))
        self._patrol()
        try:
            self.loop.run(self.settings.ends)
            Healing(self).run()
        except Violation as violation:
            failure, who = str(violation), violation.who
            self.tell(who, "VIOLATES", failure)
        counts = self.trace.counts
        counts["simulated seconds"] += round(self.loop.now)
        return Outcome(failure, who, counts, self.trace)

    def tell(self, who: str, verb: str, what: str = "") -> None:
        self.trace.tell(who, verb, what)

    def machine(self, name: str) -> Machine:
        machines = [node.machine for node in self.nodes] + [site.machine for site in self.sites]
        return next(machine for machine in machines if machine.name == name)

    def links_of(self, name: str) -> list[Link]:
        """One by its name, v0, n0, store-n0 or people-n0; or all of a kind: v, n, store, people."""
        kinds = {
            "v": self._site_links,
            "n": self._node_links,
            "store": self._store_links,
            "people": self._people_links,
        }
        if name in kinds:
            return kinds[name]
        return [link for links in kinds.values() for link in links if link.name == name]

    def any_node(self) -> IssuerNode:
        return self.chance("any node").choice(self.nodes)

    def doubt_all(self) -> None:
        """Nothing is expected any more of whatever there is now."""
        for device in self.ledger.devices.values():
            device.doubt(now=self.loop.now)

    def keys_distrusted(self) -> None:
        self.faults.keys_distrusted()

    def _do(self, item: Item) -> None:
        actor: Any = self.faults
        if item.what in ACTS:
            actor = self.owners if hasattr(self.owners, item.what) else self.operators
        if actor is self.faults:
            self.tell("fault", item.what, str(item).partition("(")[2].rstrip(")"))
            self.trace.count(f"fault {item.what}")
        getattr(actor, item.what)(**item.given)

    def _patrol(self) -> None:
        for slot in self.owners.slots:
            if slot.token is not None:
                self.judge.check_everywhere(slot.token)
        if self.loop.now < self.settings.ends:
            self.loop.after(self.settings.max_staleness / PATROLS, self._patrol)

    def _links(self, name: str, number: int) -> list[Link]:
        names = [f"{name}{each}" for each in range(number)]
        return [Link(name, self.chance(f"link {name}")) for name in names]

    def _machine(self, name: str, place: int) -> Machine:
        rate, ahead = self.settings.rates[place], self.settings.ahead[place]
        return Machine(self.loop, name, rate=rate, ahead=ahead)

    def _node(self, number: int) -> IssuerNode:
        return IssuerNode(
            self._machine(f"n{number}", number),
            store_link=self._store_links[number],
            network=self.network,
            primary=self.primary,
            keys=self.keys,
            clients=tuple(self.clients.values()),
            claims=partial(self._claims, number),
            chance=self.chance(f"n{number}"),
            trace=self.trace,
            rest=self.settings.max_staleness / READS,
            patience=max(LEAST_PATIENCE, self.settings.max_staleness / 2),
        )

    def _site(self, number: int) -> VerifierSite:
        tighter = self.settings.tighter[number]
        return VerifierSite(
            self._machine(f"v{number}", self.settings.nodes + number),
            ask=partial(self._ask, number),
            chance=self.chance(f"v{number}"),
            tightest=None if tighter is None else timedelta(seconds=tighter),
            timeout=TIMEOUT,
            trace=self.trace,
        )

    def _ask(self, number: int, url: str, heard: Reply) -> None:
        """A verifier's request: through its proxy to one of the nodes, whichever."""
        site, link = self.sites[number], self._site_links[number]

        def at_proxy(reply: Reply) -> None:
            self.proxies[number].ask(url, reply, forward)

        def forward(reply: Reply) -> None:
            places = [*range(len(self.nodes))]
            left = [place for place in places if place not in self.drained] or places
            place = self.chance(f"balancer {number}").choice(left)
            node = self.nodes[place]
            self.network.ask(
                self._people,
                [self._node_links[place]],
                node.machine,
                partial(node.serve, url),
                heard=reply,
            )

        self.network.ask(site.machine, [link], self._people, at_proxy, heard=heard)

    async def _claims(self, number: int, subject: str) -> dict[str, Any]:
        """The application's own records, asked by a node."""
        machine, chance = self.nodes[number].machine, self.chance(f"claims {number}")
        pause = Wait(
            lambda resume: machine.after(
                chance.uniform(0, ASKS_THE_APPLICATION), lambda: resume(None, None)
            )
        )
        await pause
        version = next(each.claims for each in self.ledger.subjects if each.name == subject)
        await pause
        return {"v": version}


def run(plan: Plan, *, signatures: str = "quick", where: str = MEMORY) -> Outcome:
    """Runs a plan from its beginning to its end. signatures: quick, or real. where: the records
    are, as `simulation.records` has it."""
    with quick_signatures() if signatures == "quick" else nullcontext(), records(where) as kept:
        return World(plan, kept).run()


def _clients(settings: Settings) -> Mapping[str, Client]:
    lifetime = Lifetime(access=timedelta(seconds=settings.access), grace=GRACE)
    bounds = {"api": settings.max_staleness, "batch": settings.longer}
    clients = [
        Client(
            client_id=name,
            strategy="hybrid",
            audience=AUDIENCE,
            lifetime=lifetime,
            max_staleness=timedelta(seconds=bound),
        )
        for name, bound in bounds.items()
    ]
    clients.append(Client(client_id="web", strategy="session", lifetime=lifetime))
    return {client.client_id: client for client in clients}
