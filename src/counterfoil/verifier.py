"""Verifier: for services that only check. Public keys, one thread, and no I/O in a check."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from counterfoil.client import Client
from counterfoil.clock import SystemClock
from counterfoil.credential import Verified
from counterfoil.errors import (
    ConfigurationError,
    CredentialMalformed,
    IssuerUnavailable,
    KeyUnknown,
    StatusStale,
)
from counterfoil.feeds.jwks import IssuerKeys
from counterfoil.handle import PREFIX
from counterfoil.issuer_url import require_issuer
from counterfoil.lifetime import require_duration
from counterfoil.strategies import jwt
from counterfoil.token import read
from counterfoil.token_check import KnownTokens

if TYPE_CHECKING:
    from counterfoil.clock import Clock
    from counterfoil.keys import PublicKeySet
    from counterfoil.token import AccessToken

_HOUR: Final = timedelta(hours=1)
_TIMEOUT: Final = timedelta(seconds=5)


class _Known(NamedTuple):
    token: AccessToken
    verified: Verified


class Verifier:
    """Checks the tokens of an issuer's clients that are meant for this audience.

    typ: the type of its clients' tokens. keys_max_age: how long the issuer's keys are relied on
    while it does not answer. timeout: for each request, and for `__enter__`, which waits for the
    first keys. One daemon thread per process, `counterfoil-verifier`, fetches the keys for all
    verifiers every 5 minutes; it starts at first use, and again after a fork. Safe for several
    threads. Raises `ConfigurationError` for what cannot work.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        typ: str = "at+jwt",
        keys_max_age: timedelta = _HOUR,
        timeout: timedelta = _TIMEOUT,
        clock: Clock | None = None,
    ) -> None:
        if not audience:
            raise ConfigurationError("Give the Verifier the audience that tokens must be for.")
        # What a client may not be issued, no verifier can expect.
        expected = Client(client_id="any", strategy="jwt", audience=audience, typ=typ)
        require_duration("keys_max_age", keys_max_age)
        require_duration("timeout", timeout)
        if not timedelta(seconds=1) <= keys_max_age <= timedelta(days=1):
            raise ConfigurationError("Set keys_max_age between one second and one day.")
        if not timedelta(0) < timeout <= timedelta(minutes=1):
            raise ConfigurationError("Set timeout above zero and to at most one minute.")
        self._issuer = require_issuer(issuer)
        self._audience = expected.audience
        self._typ = expected.typ
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._known: KnownTokens[_Known] = KnownTokens()
        self._keys = IssuerKeys(
            f"{issuer}/.well-known/jwks.json",
            max_age=keys_max_age,
            timeout=timeout,
            clock=self._clock,
        )

    @property
    def issuer(self) -> str:
        return self._issuer

    @property
    def audience(self) -> str:
        return self._audience

    @property
    def clock(self) -> Clock:
        return self._clock

    def check(self, token: str) -> Verified:
        """The whole decision about a token, without I/O: call it from sync and async code alike.

        Raises an `AuthError` when the answer is no; `KeysStale` when the issuer's keys are not
        known well enough; `StatusStale` for a token that may have been revoked: to know that
        needs the status feed, which this release's Verifier does not have.
        """
        keys = self._keys.current(uptime=self._clock.uptime())
        known = self._known.get(token, keys=keys) or self._read(token, keys)
        known.token.require_current(self._clock.now())
        if known.token.status is not None:
            raise StatusStale(
                "This token needs the status feed, which this release's Verifier does not have; "
                "use confirm or a jwt client."
            )
        return known.verified

    def confirm(self, credential: str) -> Verified:
        """Asks the issuer, within twice the timeout, about a token or a handle.

        The issuer answers by its record, whatever the strategy: a revocation shows at once, with
        roles as they are now. It is the standalone server, or an application with
        `integrations.issuer` over a store. Raises what it answers with, and `IssuerUnavailable`.
        """
        from counterfoil.feeds.confirm import confirm

        if _is_handle(credential):
            return confirm(self._issuer, credential, audience=self._audience, timeout=self._timeout)
        self._keys.wait()
        known = self._read(credential, self._keys.current(uptime=self._clock.uptime()))
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
        """Stops fetching keys; those that are held age. A later check starts again."""
        self._keys.leave()

    def __enter__(self) -> Self:
        """Waits for the issuer's keys. Raises `IssuerUnavailable` when they do not come."""
        try:
            self._keys.wait()
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
            self._keys.miss()
            raise
        token.require_audience(self._audience)
        verified = Verified(jwt.facts(token, "jwt"), token.iat)
        return self._known.add(text, _Known(token, verified), keys=keys)


def _whose(verified: Verified) -> tuple[str, str, str]:
    return verified.session_id, verified.subject, verified.client_id


def _is_handle(text: str) -> bool:
    return isinstance(text, str) and text.startswith(PREFIX)
