"""Verifier: for services that only check. Public keys, one thread, and no I/O in a check."""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Self
from urllib.parse import quote

from counterfoil.client import Client
from counterfoil.clock import SystemClock
from counterfoil.credential import Verified
from counterfoil.errors import (
    ConfigurationError,
    CredentialMalformed,
    IssuerUnavailable,
    KeyUnknown,
)
from counterfoil.feeds.following import Following
from counterfoil.feeds.http import Carrier
from counterfoil.handle import PREFIX
from counterfoil.holding import VerifierHolding
from counterfoil.issuer_url import require_issuer
from counterfoil.lifetime import latest, require_duration
from counterfoil.strategies import hybrid, jwt
from counterfoil.token import read
from counterfoil.token_check import KnownTokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from counterfoil.clock import Clock
    from counterfoil.credential import Facts
    from counterfoil.feeds.following import Knowledge
    from counterfoil.holding import Holding
    from counterfoil.keys import PublicKeySet
    from counterfoil.token import AccessToken

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_TIMEOUT: Final = timedelta(seconds=5)


class _Known(NamedTuple):
    token: AccessToken
    facts: Facts
    verified: Verified  # as of its issue
    entry: tuple[str, int] | None  # where its status stands


class Verifier:
    """Checks the tokens of an issuer's clients that are meant for this audience.

    typ: the type of its clients' tokens. max_staleness: how old its knowledge of revocations may
    be, where that shall be less than what the issuer says. keys_max_age: how long the issuer's
    keys are relied on while it does not answer. timeout: for each request, and for `__enter__`,
    which waits until it knows. client: the id and the secret of a client of the issuer, by whose
    name it is listed there. One daemon thread for each Verifier in a process,
    `counterfoil-verifier`, follows the issuer; it starts at first use, and again after a fork. Safe
    for several threads. Raises `ConfigurationError` for what cannot work.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        typ: str = "at+jwt",
        max_staleness: timedelta | None = None,
        keys_max_age: timedelta = _HOUR,
        timeout: timedelta = _TIMEOUT,
        client: tuple[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not audience:
            raise ConfigurationError("Give the Verifier the audience that tokens must be for.")
        # What a client may not be issued, no verifier can expect.
        expected = Client(client_id="any", strategy="jwt", audience=audience, typ=typ)
        _require_span("keys_max_age", keys_max_age, least=_SECOND, most=timedelta(days=1))
        _require_span("timeout", timeout, least=timedelta(milliseconds=1), most=_MINUTE)
        if max_staleness is not None:
            _require_span("max_staleness", max_staleness, least=_SECOND, most=_MINUTE)
        self._issuer = require_issuer(issuer)
        self._audience = expected.audience
        self._typ = expected.typ
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._known: KnownTokens[_Known] = KnownTokens()
        self._following = Following(
            issuer,
            keys_max_age=keys_max_age,
            tightest=max_staleness,
            timeout=timeout,
            clock=self._clock,
            entropy=secrets.token_bytes,
            chance=secrets.SystemRandom(),
        )
        self._carrier = Carrier(
            self._following, timeout=timeout, authorization=_authorization(client)
        )
        self._holding = VerifierHolding(self._following, self._carrier.ensure)

    @property
    def issuer(self) -> str:
        return self._issuer

    @property
    def audience(self) -> str:
        return self._audience

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def knowledge(self) -> Knowledge:
        """What it knows of its issuer now, and how old that is; for health and metrics."""
        self._carrier.ensure()
        return self._following.knowledge()

    @property
    def holding(self) -> Holding:
        """Whether what a check found still holds; `integrations.live` asks it."""
        return self._holding

    def check(self, token: str) -> Verified:
        """The whole decision about a token, without I/O: call it from sync and async code alike.

        Raises an `AuthError` when the answer is no; `KeysStale` when the issuer's keys are not
        known well enough, and `StatusStale` for a token that may have been revoked, when it is not
        known well enough whether it was.
        """
        self._carrier.ensure()
        uptime = self._clock.uptime()
        keys = self._following.keys.current(uptime=uptime)
        known = self._known.get(token, keys=keys) or self._read(token, keys)
        known.token.require_current(self._clock.now())
        if known.entry is None:
            return known.verified
        # Read before the entry: the mirror may move on in between, and as_of may not run ahead.
        as_of = self._following.mirror.as_of
        self._following.require_valid(known.token.client_id, *known.entry, uptime=uptime)
        return Verified(known.facts, latest(as_of, known.token.iat))

    def confirm(self, credential: str) -> Verified:
        """Asks the issuer, within twice the timeout, about a token or a handle.

        The issuer answers by its record, whatever the strategy: a revocation shows at once, with
        roles as they are now. It is the standalone server, or an application with
        `integrations.issuer` over a store. Raises what it answers with, and `IssuerUnavailable`.
        """
        from counterfoil.feeds.confirm import confirm

        if _is_handle(credential):
            return confirm(self._issuer, credential, audience=self._audience, timeout=self._timeout)
        self._wait(self._following.keys.is_fresh)
        keys = self._following.keys.current(uptime=self._clock.uptime())
        known = self._read(credential, keys)
        verified = confirm(self._issuer, credential, audience=None, timeout=self._timeout)
        if _whose(verified) != _whose(known.verified):
            # A cache on the way took no notice of whose credential was asked about.
            raise IssuerUnavailable("The issuer's answer is about another credential.")
        return verified

    async def aconfirm(self, credential: str) -> Verified:
        """`confirm`, in a thread of the running asyncio loop's executor."""
        import asyncio

        return await asyncio.to_thread(self.confirm, credential)

    def close(self) -> None:
        """Follows the issuer no more; what is known ages. A later check starts again."""
        self._carrier.stop()

    def __enter__(self) -> Self:
        """Waits until it knows: the issuer's keys, and its status where a client has one. Raises
        `IssuerUnavailable` when they do not come."""
        try:
            self._wait(self._following.is_ready)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Verifier(issuer={self._issuer!r}, audience={self._audience!r})"

    def _read(self, text: str, keys: PublicKeySet) -> _Known:
        """A genuine token of this issuer for this audience, expired or not."""
        if _is_handle(text):
            raise CredentialMalformed("This is a handle, not a token: use confirm, which takes it.")
        try:
            token = read(text, keys=keys, issuer=self._issuer, typ=self._typ)
        except KeyUnknown:
            self._following.keys.miss()
            raise
        token.require_audience(self._audience)
        entry = hybrid.entry_of(token, issuer=self._issuer)
        facts = jwt.facts(token, "jwt" if entry is None else "hybrid", entry)
        known = _Known(token, facts, Verified(facts, token.iat), entry)
        return self._known.add(text, known, keys=keys)

    def _wait(self, holds: Callable[[], bool]) -> None:
        if not holds() and not self._carrier.wait_for(holds, timeout=self._timeout):
            failure = self._following.keys.failure or self._following.failure
            raise IssuerUnavailable(failure or "The issuer did not answer in time.")


def _require_span(name: str, span: timedelta, *, least: timedelta, most: timedelta) -> None:
    require_duration(name, span)
    if not least <= span <= most:
        raise ConfigurationError(
            f"Set {name} to between {least.total_seconds():g} and {most.total_seconds():g} seconds."
        )


def _authorization(client: tuple[str, str] | None) -> str | None:
    """HTTP Basic as RFC 6749 §2.3.1 has it."""
    if client is None:
        return None
    if not isinstance(client, tuple) or [type(each) for each in client] != [str, str]:
        raise ConfigurationError("Give client as a pair: the client_id and its secret.")
    client_id, secret = client
    if not client_id or not secret:
        raise ConfigurationError("Give client a client_id and a secret that are not empty.")
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _whose(verified: Verified) -> tuple[str, str, str]:
    return verified.session_id, verified.subject, verified.client_id


def _is_handle(text: str) -> bool:
    return isinstance(text, str) and text.startswith(PREFIX)
