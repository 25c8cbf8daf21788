"""BlockingCounterfoil: the engine's verbs as plain calls, for applications without an event loop.

The same coroutines, driven by one `send(None)` each: their only suspension would be a database
row, and a store's blocking face never suspends. A store that has none is refused here, when it is
built: found out later, its write would already be done.
"""

from __future__ import annotations

import inspect
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from counterfoil.drive import drive
from counterfoil.engine import Counterfoil
from counterfoil.errors import ConfigurationError
from counterfoil.parts import require_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from counterfoil.client import Client
    from counterfoil.clock import Clock
    from counterfoil.credential import Presented, Verified
    from counterfoil.feeds.published import Published
    from counterfoil.holding import Holding
    from counterfoil.outcome import Changed, Opened, Revoked
    from counterfoil.parts import StrategySettings
    from counterfoil.ports import Claims, ClaimsSource, Entropy, Keys, Store
    from counterfoil.session import Session
    from counterfoil.subject import SubjectState


class BlockingCounterfoil:
    """`Counterfoil` without `await`; takes the same arguments. Safe for several threads.

    Raises `ConfigurationError` for a store that can only be awaited, or an async claims source.
    """

    def __init__(
        self,
        *,
        issuer: str,
        store: Store | None = None,
        strategy: StrategySettings | None = None,
        clients: Iterable[Client] | Mapping[str, Client] = (),
        claims: ClaimsSource | None = None,
        keys: Keys | None = None,
        clock: Clock | None = None,
        entropy: Entropy = secrets.token_bytes,
        window: timedelta = timedelta(hours=1),
    ) -> None:
        if inspect.iscoroutinefunction(claims):
            raise ConfigurationError("Give BlockingCounterfoil a claims function without async.")
        if store is not None:
            require_store(store)
        face = store.blocking() if store is not None else None
        if face is not None and face.suspends:
            raise ConfigurationError("Use Counterfoil with this store: it can only be awaited.")
        self._engine = Counterfoil(
            issuer=issuer,
            store=face,
            strategy=strategy,
            clients=clients,
            claims=claims,
            keys=keys,
            clock=clock,
            entropy=entropy,
            window=window,
        )

    @property
    def issuer(self) -> str:
        return self._engine.issuer

    @property
    def clients(self) -> Mapping[str, Client]:
        return self._engine.clients

    @property
    def keys(self) -> Keys:
        return self._engine.keys

    @property
    def store(self) -> Store:
        return self._engine.store

    @property
    def clock(self) -> Clock:
        return self._engine.clock

    @property
    def holding(self) -> Holding:
        return self._engine.holding

    @property
    def published(self) -> Published | None:
        return self._engine.published

    def open(
        self,
        subject: str,
        *,
        client_id: str | None = None,
        device: str = "",
        address: str = "",
        claims: Claims | None = None,
        expected: SubjectState | None = None,
    ) -> Opened:
        return drive(
            self._engine.open(
                subject,
                client_id=client_id,
                device=device,
                address=address,
                claims=claims,
                expected=expected,
            )
        )

    def check(self, presented: str | Presented, *, audience: str | None = None) -> Verified:
        return drive(self._engine.check(presented, audience=audience))

    def check_token(self, presented: str | Presented, *, audience: str | None = None) -> Verified:
        return self._engine.check_token(presented, audience=audience)

    def confirm(self, presented: str | Presented) -> Verified:
        return drive(self._engine.confirm(presented))

    def introspect(self, presented: str | Presented) -> Verified:
        return drive(self._engine.introspect(presented))

    def refresh(self, presented: str | Presented, *, client_id: str | None = None) -> Opened:
        return drive(self._engine.refresh(presented, client_id=client_id))

    def reissue(self, presented: str | Presented, *, client_id: str | None = None) -> Opened:
        return drive(self._engine.reissue(presented, client_id=client_id))

    def step_up(self, presented: str | Presented) -> Opened:
        return drive(self._engine.step_up(presented))

    def revoke(self, session_id: str, *, because: str = "revoked") -> Revoked:
        return drive(self._engine.revoke(session_id, because=because))

    def revoke_presented(
        self, presented: str | Presented, *, client_id: str | None = None
    ) -> Revoked:
        return drive(self._engine.revoke_presented(presented, client_id=client_id))

    def revoke_all(
        self, subject: str, *, keep: str | None = None, because: str = "revoked"
    ) -> Revoked:
        return drive(self._engine.revoke_all(subject, keep=keep, because=because))

    def revoke_client(
        self, client_id: str, *, progress: Callable[[int], None] | None = None
    ) -> Revoked:
        return drive(self._engine.revoke_client(client_id, progress=progress))

    def suspend(self, subject: str) -> Changed:
        return drive(self._engine.suspend(subject))

    def reinstate(self, subject: str) -> Changed:
        return drive(self._engine.reinstate(subject))

    def claims_changed(self, subject: str) -> Changed:
        return drive(self._engine.claims_changed(subject))

    def require_current(self) -> None:
        drive(self._engine.require_current())

    def declare_restore(self, *, progress: Callable[[int], None] | None = None) -> int:
        return drive(self._engine.declare_restore(progress=progress))

    def subject(self, subject: str) -> SubjectState:
        return drive(self._engine.subject(subject))

    def session(self, session_id: str) -> Session:
        return drive(self._engine.session(session_id))

    def sessions(self, subject: str) -> list[Session]:
        return drive(self._engine.sessions(subject))

    def acknowledge_after(self, told: Callable[[], Awaitable[None] | None]) -> None:
        """As the engine's; `told` is called without `await`, in the calling thread."""
        self._engine.acknowledge_after(told)

    def close(self) -> None:
        drive(self._engine.close())
