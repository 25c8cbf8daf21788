"""The server's engine and accounts, with what they answer counted and told to the request's line.

What is counted is the answer: `accepted`, or the code of the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from counterfoil import handle as handles
from counterfoil.engine import Counterfoil
from counterfoil.errors import ClaimsStale, CounterfoilError, SessionRevoked, SubjectSuspended
from counterfoil.server.accounts import Accounts
from counterfoil.server.operations import requests
from counterfoil.server.operations.metrics import ACCEPTED, UNKNOWN

if TYPE_CHECKING:
    from counterfoil.credential import Presented, Verified
    from counterfoil.outcome import Opened, Revoked
    from counterfoil.server.accounts import SignedIn
    from counterfoil.server.operations.metrics import Metrics

# Of signed tokens, only those with a status are refused so by a check.
_OF_A_STATUS: Final = frozenset({SessionRevoked.code, ClaimsStale.code, SubjectSuspended.code})
_SIGNED_OUT: Final = "signed_out"


class ObservedCounterfoil(Counterfoil):
    """The same engine."""

    def __init__(self, metrics: Metrics, **parts: Any) -> None:
        super().__init__(**parts)
        self._metrics = metrics

    def status_age(self) -> float:
        """Seconds since the status mirror was known to be true; NaN before anybody needed it."""
        feed = self._parts.feed
        if feed is None or not feed.is_running:  # what it read on the way grows old, and may
            return float("nan")
        return self._parts.mirror.age(uptime=self.clock.uptime())

    def follow(self) -> None:
        """Reads the feed of the store from now on. Raises `Unavailable` where the first read
        fails."""
        if self._parts.feed is not None:
            self._parts.feed.ensure()

    async def check(self, presented: str | Presented, *, audience: str | None = None) -> Verified:
        try:
            found = await super().check(presented, audience=audience)
        except CounterfoilError as why:
            self._refused(presented, why.code, has_status=why.code in _OF_A_STATUS)
            raise
        return self._accepted(found)

    def check_token(self, presented: str | Presented, *, audience: str | None = None) -> Verified:
        try:
            found = super().check_token(presented, audience=audience)
        except CounterfoilError as why:
            self._refused(presented, why.code, has_status=why.code in _OF_A_STATUS)
            raise
        return self._accepted(found)

    async def confirm(self, presented: str | Presented) -> Verified:
        try:
            found = await super().confirm(presented)
        except CounterfoilError as why:
            self._refused(presented, why.code)
            raise
        return self._accepted(found)

    async def introspect(self, presented: str | Presented) -> Verified:
        try:
            found = await super().introspect(presented)
        except CounterfoilError as why:
            self._refused(presented, why.code)
            raise
        return self._accepted(found)

    async def open(self, subject: str, **more: Any) -> Opened:
        opened = await super().open(subject, **more)
        self._is_of(opened.session.client_id)
        return opened

    async def refresh(self, presented: str | Presented, *, client_id: str | None = None) -> Opened:
        try:
            opened = await super().refresh(presented, client_id=client_id)
        except CounterfoilError as why:
            self._metrics.refreshes.count(self._named_by(presented), why.code)
            requests.tell(code=why.code)
            raise
        self._metrics.refreshes.count(self._is_of(opened.session.client_id), ACCEPTED)
        return opened

    async def revoke(self, session_id: str, *, because: str = "revoked") -> Revoked:
        if because == _SIGNED_OUT:  # `revoke_presented` counts it
            return await super().revoke(session_id, because=because)
        with self._counting("revoke") as told:
            return told(await super().revoke(session_id, because=because))

    async def revoke_presented(self, presented: str | Presented, **more: Any) -> Revoked:
        with self._counting("revoke_presented") as told:
            return told(await super().revoke_presented(presented, **more))

    async def revoke_all(self, subject: str, **more: Any) -> Revoked:
        with self._counting("revoke_all") as told:
            return told(await super().revoke_all(subject, **more))

    async def revoke_client(self, client_id: str, **more: Any) -> Revoked:
        with self._counting("revoke_client") as told:
            return told(await super().revoke_client(client_id, **more))

    @contextmanager
    def _counting(self, call: str) -> Iterator[Callable[[Revoked], Revoked]]:
        """Counts and times a call that ends sessions; where there was nothing to end, as that."""
        began = perf_counter()

        def told(done: Revoked) -> Revoked:
            self._metrics.revocation_seconds.observe(call, perf_counter() - began)
            self._metrics.revocations.count(call, "ended" if done.count else "nothing")
            return done

        try:
            yield told
        except CounterfoilError as why:
            self._metrics.revocations.count(call, why.code)
            requests.tell(code=why.code)
            raise

    def _accepted(self, found: Verified) -> Verified:
        facts = found.facts
        self._metrics.checks.count(facts.strategy, ACCEPTED)
        requests.tell(strategy=facts.strategy, client_id=facts.client_id)
        return found

    def _refused(self, presented: str | Presented, code: str, *, has_status: bool = False) -> None:
        strategy = self._named_by(presented, has_status=has_status)
        self._metrics.checks.count(strategy, code)
        requests.tell(code=code)

    def _is_of(self, client_id: str) -> str:
        """The strategy of a client, which the request's line names too."""
        client = self.clients.get(client_id)
        strategy = client.strategy if client is not None else UNKNOWN
        requests.tell(strategy=strategy, client_id=client_id)
        return strategy

    def _named_by(self, presented: str | Presented, *, has_status: bool = False) -> str:
        """The strategy of what was refused, as far as it shows; nothing in it is believed."""
        text, client_id = (
            (presented, None)
            if isinstance(presented, str)
            else (presented.text, presented.client_id)
        )
        if client_id is not None and (client := self.clients.get(client_id)) is not None:
            return client.strategy
        if handles.looks_like(text):
            return "session"
        return "hybrid" if has_status else UNKNOWN


class ObservedAccounts(Accounts):
    """The same accounts."""

    def __init__(self, metrics: Metrics, *parts: Any) -> None:
        super().__init__(*parts)
        object.__setattr__(self, "_metrics", metrics)  # what it extends is frozen

    _metrics: Metrics

    async def sign_in(self, identifier: str, password: str, *, address: str) -> SignedIn:
        try:
            found = await super().sign_in(identifier, password, address=address)
        except CounterfoilError as why:
            self._metrics.sign_ins.count(why.code)
            requests.tell(code=why.code)
            raise
        self._metrics.sign_ins.count(ACCEPTED)
        return found
