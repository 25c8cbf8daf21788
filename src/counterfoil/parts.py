"""What an engine is made of: composed once, complete or refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from counterfoil.claims import normalised
from counterfoil.client import Client
from counterfoil.errors import (
    ClientUnknown,
    ConfigurationError,
    CredentialMalformed,
    RestoreUndeclared,
    SessionUnknown,
    Unavailable,
)
from counterfoil.feeds.local import LocalFeed
from counterfoil.feeds.published import Published
from counterfoil.feeds.witness import declare
from counterfoil.issuer_url import require_issuer
from counterfoil.issuing import Pen
from counterfoil.lifetime import NOTHING, require_duration
from counterfoil.status_list import Issuing
from counterfoil.status_mirror import StatusMirror
from counterfoil.token_check import TokenCheck

if TYPE_CHECKING:
    from counterfoil.clock import Clock
    from counterfoil.credential import Presented
    from counterfoil.handle import HandleSecrets
    from counterfoil.ports import Claims, ClaimsSource, Commit, Entropy, Keys, Store
    from counterfoil.session import Session

JOINING: Final = timedelta(hours=1)  # access lifetime that lists leave room for, clients to come
ATTEMPTS: Final = 100  # how often a commit that lost a race is tried on what the winner left


class StrategySettings(Protocol):
    """`SessionStrategy`, `JwtStrategy` or `HybridStrategy`: one client in short."""

    def client(self) -> Client: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one engine. `kept` is None where there is no store."""

    issuer: str
    clients: Mapping[str, Client]
    keys: Keys
    clock: Clock
    entropy: Entropy
    source: ClaimsSource | None
    kept: Store | None
    feed: LocalFeed | None
    mirror: StatusMirror  # which the feed keeps in step
    pen: Pen
    tokens: TokenCheck

    @property
    def any_store(self) -> Store:
        """The store, as it is. Raises `ConfigurationError` where there is none."""
        if self.kept is None:
            raise ConfigurationError("Give Counterfoil a store: without one this cannot be done.")
        return self.kept

    @property
    def store(self) -> Store:
        """The store, to rely on. Raises `RestoreUndeclared` where it was put back from a copy,
        `StoreUnavailable` where that cannot be known, and `ConfigurationError` without one."""
        if self.feed is not None:
            self.feed.prove()
        return self.kept if self.kept is not None else self.any_store

    def secrets(self) -> HandleSecrets:
        return self.keys.handle_secrets()

    def client(self, client_id: str | None) -> Client:
        """The client of that id; None means the only one. Raises `ClientUnknown`."""
        if client_id is None and len(self.clients) == 1:
            return next(iter(self.clients.values()))
        if client_id is None:
            raise ClientUnknown("Name the client with client_id: there is not just one here.")
        if client_id not in self.clients:
            raise ClientUnknown
        return self.clients[client_id]

    def own_client(
        self, presented: Presented, session: Session, *, any_bearer: bool = False
    ) -> Client:
        """The session's client, if the handle came as that client's handles travel."""
        client = self.clients.get(session.client_id)
        if client is None or presented.client_id not in (None, client.client_id):
            raise SessionUnknown("This session is of another client.")
        if presented.carrier not in (None, client.carrier) and not any_bearer:
            raise CredentialMalformed(f"Credentials of this client travel by {client.carrier}.")
        return client

    async def claims_of(self, subject: str, given: Claims) -> Claims:
        """What the claims source says now; without one, what was given before."""
        if self.source is None:
            return normalised(given)
        answer = self.source(subject)
        return normalised(await answer if inspect.isawaitable(answer) else answer)

    def published(self) -> Published | None:
        """The node's end of the feed, new; None where there is no status to tell of."""
        mirror = self.tokens.mirror
        if self.kept is None or self.feed is None or mirror is None:
            return None
        return Published(
            issuer=self.issuer,
            keys=self.keys,
            clients=self.clients,
            clock=self.clock,
            store=self.kept,
            issuing=self.pen.issuing,
            feed=self.feed,
            mirror=mirror,
        )

    async def require_current(self) -> None:
        """Raises what `store` does, by a read that begins now."""
        if self.feed is not None:
            await self.aside(self.feed.catch_up)

    async def aside(self, step: Callable[[], None]) -> None:
        """Takes a step that may read the store, without stopping an event loop meanwhile."""
        await self.any_store.aside(step)

    async def read_on(self) -> None:
        """Brings the mirror up to what this process has committed, if the store can be read."""
        feed = self.feed
        if feed is not None:
            await self.aside(lambda: unless_undeclared(feed.catch_up))

    def keep_up(self) -> None:
        """Looks whether the store is still what it was, where no thread does. Raises
        `RestoreUndeclared`, and `StoreUnavailable`."""
        if self.feed is not None:
            self.feed.keep_up()

    async def commit(self, commit: Commit) -> bool:
        """Commits; what it changed is in this process's mirror, and noted for all, before it is
        acknowledged. False also where a restore was declared since the records were read."""
        feed = self.feed
        if feed is None:
            return await self.store.commit(commit)
        before = feed.position
        feed.keep_up()
        if before is None or feed.position is None or before.epoch != feed.position.epoch:
            return False
        done = await self.store.commit(replace(commit, epoch=before.epoch))
        # Whoever was first may have begun an epoch, and who tries again has to know.
        if not done or commit.changes or commit.moves_feed:
            await self.read_on()
        return done

    async def declare_restore(self, *, progress: Callable[[int], None] | None) -> int:
        """Makes a store that was put back from a copy one to go on with."""
        if self.kept is None:
            raise ConfigurationError("Declare a restore where there is a store: here is none.")
        live = await declare(self.kept, self.keys, now=self.clock.now(), progress=progress)
        await self.read_on()
        return live

    async def close(self) -> None:
        if self.feed is not None:
            self.feed.stop()
        if self.kept is not None:
            await self.kept.close()


def compose(
    *,
    issuer: str,
    store: Store | None,
    strategy: StrategySettings | None,
    clients: Iterable[Client] | Mapping[str, Client],
    claims: ClaimsSource | None,
    keys: Keys | None,
    clock: Clock,
    entropy: Entropy,
    window: timedelta,
) -> Parts:
    """The parts, wired. Raises `ConfigurationError`, in one sentence, for what cannot work."""
    require_issuer(issuer)
    _require_callable(claims)
    if store is not None:
        require_store(store)
    registered = _registered(strategy, clients)
    hybrids = [client for client in registered.values() if client.strategy == "hybrid"]
    if store is None and any(client.strategy != "jwt" for client in registered.values()):
        raise ConfigurationError("Give Counterfoil a store, or use JwtStrategy, which needs none.")
    kept_keys = keys or (store.default_keys() if store is not None else None)
    if kept_keys is None:
        raise ConfigurationError("Give Counterfoil keys=KeyFiles(folder): no store keeps them.")
    require_duration("window", window)
    if not timedelta(minutes=1) <= window <= timedelta(days=1):
        raise ConfigurationError("Set window between one minute and one day.")
    # A mapping is live: a hybrid client may join it later, and its tokens shall not be cut short.
    is_live = isinstance(clients, Mapping)
    has_status = bool(hybrids) or is_live
    mirror = StatusMirror()
    feed = _local_feed(store, mirror, clock, kept_keys, is_needed=has_status)
    access = max([JOINING if is_live else NOTHING, *(each.lifetime.access for each in hybrids)])
    issuing = Issuing(window=window, access=access)
    pen = Pen(issuer=issuer, keys=kept_keys, entropy=entropy, issuing=issuing, store=store)
    if feed is not None:
        feed.listen(lambda read, _: pen.follow(read))
    return Parts(
        issuer=issuer,
        clients=registered,
        keys=kept_keys,
        clock=clock,
        entropy=entropy,
        source=claims,
        kept=store,
        feed=feed,
        mirror=mirror,
        pen=pen,
        tokens=TokenCheck(issuer, registered, mirror if has_status else None),
    )


def _local_feed(
    store: Store | None, mirror: StatusMirror, clock: Clock, keys: Keys, *, is_needed: bool
) -> LocalFeed | None:
    """None without a store; and where no token needs it, for a store that can only be awaited: that
    it was put back from a copy is not noticed then."""
    if store is None:
        return None
    try:
        return LocalFeed(store, mirror, clock, keys)
    except ConfigurationError:
        if is_needed:
            raise
        return None


def unless_undeclared(step: Callable[[], None]) -> None:
    """Takes a step that may fail: what cannot be read now leaves a mirror that refuses once it is
    too old. A store that was put back from a copy is no such failure: `RestoreUndeclared`."""
    try:
        step()
    except RestoreUndeclared:
        raise
    except Unavailable:
        pass


def require_store(store: object) -> None:
    """Raises `ConfigurationError` for what is no store: a path, or the class of one."""
    if isinstance(store, type) or not hasattr(store, "commit"):
        raise ConfigurationError('Give store a store, such as SqliteStore("app.db").')


def _require_callable(claims: object) -> None:
    """Found out at the first sign-in, it would be too late."""
    if claims is not None and not callable(claims):
        raise ConfigurationError("Give claims a function from subject to roles or claims.")


def _registered(
    strategy: StrategySettings | None, clients: Iterable[Client] | Mapping[str, Client]
) -> Mapping[str, Client]:
    if isinstance(clients, Mapping):
        if strategy is not None:
            raise ConfigurationError("Give Counterfoil a strategy or a mapping of clients.")
        if any(client_id != client.client_id for client_id, client in clients.items()):
            raise ConfigurationError("Map each client from its own client_id.")
        return clients
    chosen = [*_shorthand(strategy), *_listed(clients)]
    if not chosen:
        raise ConfigurationError("Give Counterfoil a strategy, or clients.")
    if len({client.client_id for client in chosen}) < len(chosen):
        raise ConfigurationError("Give each client a client_id of its own.")
    return {client.client_id: client for client in chosen}


def _shorthand(strategy: StrategySettings | None) -> list[Client]:
    if strategy is None:
        return []
    if isinstance(strategy, type) or not hasattr(strategy, "client"):
        raise ConfigurationError("Give strategy an instance, such as SessionStrategy().")
    return [strategy.client()]


def _listed(clients: object) -> list[Client]:
    found = [*clients] if isinstance(clients, Iterable) else [clients]
    chosen = [each for each in found if isinstance(each, Client)]
    if isinstance(clients, Client) or len(chosen) < len(found):
        raise ConfigurationError("Give clients a list of Client(client_id=…, strategy=…).")
    return chosen
