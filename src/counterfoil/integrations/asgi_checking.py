"""The check that the middleware makes of a request, once: at the issuer, or by its keys alone."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

from counterfoil.carriers import bearer
from counterfoil.carriers.cookie import cookie_name, refresh_cookie_name
from counterfoil.credential import Presented
from counterfoil.errors import (
    AuthError,
    ClaimsStale,
    CredentialExpired,
    KeyUnknown,
    Unavailable,
)
from counterfoil.integrations.asgi_exchange import Renewal, can_answer
from counterfoil.integrations.confirming import keeps_records
from counterfoil.integrations.problem import status_of

if TYPE_CHECKING:
    from counterfoil.carriers.clients import ClientCarriers
    from counterfoil.carriers.headers import Headers
    from counterfoil.credential import Verified
    from counterfoil.engine import Counterfoil
    from counterfoil.holding import Holding
    from counterfoil.integrations.asgi_exchange import Exchange, HeaderList
    from counterfoil.integrations.issuer import Scope
    from counterfoil.outcome import Opened
    from counterfoil.verifier import Verifier

_HANDSHAKE: Final = "WEBSOCKET"  # opens with GET and is no safe read (carriers/cross_site.py)
_RENEWABLE: Final = (ClaimsStale, CredentialExpired, KeyUnknown)

Around: TypeAlias = "tuple[Exchange, EngineCheck | VerifierCheck]"


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """Checks bearer headers and cookies, and keeps cookie clients signed in."""

    auth: Counterfoil
    carriers: ClientCarriers
    audience: str | None
    client_id: str | None

    @property
    def holding(self) -> Holding:
        return self.auth.holding

    async def look(self, scope: Scope, exchange: Exchange, around: Around | None) -> None:
        """Finds the request's one credential and checks it. around: of a middleware that lies
        around this one."""
        headers = scope["headers"]
        method = scope["method"] if scope["type"] == "http" else _HANDSHAKE
        renewed = self._renewed(around)
        may_renew = renewed is None and can_answer(scope)
        try:
            presented = self._find(method, headers, renewed, exchange)
            if presented is None:
                return
            exchange.presented = presented
            exchange.verified = await self._check(presented)
        except (AuthError, Unavailable) as why:
            exchange.refuse(why)
            exchange.is_bearer = _has_bearer(headers)
            if isinstance(why, _RENEWABLE) and not exchange.is_bearer and may_renew:
                await self._renew(method, headers, exchange)
        else:
            is_due = exchange.verified.facts.refresh_due and presented.carrier == "cookie"
            if is_due and may_renew:
                # A new handle, as privileges changed (fixation).
                exchange.at_answer = self._renewal(presented)

    def _renewed(self, around: Around | None) -> Opened | None:
        """What came is spent where an outer middleware of this engine has renewed it; to refresh
        with it again would be reuse."""
        if around is None or getattr(around[1], "auth", None) is not self.auth:
            return None
        opened = around[0].opened
        is_own = opened is not None and self.client_id in {None, opened.credential.client_id}
        return opened if is_own else None

    def _find(
        self, method: str, headers: Headers, renewed: Opened | None, exchange: Exchange
    ) -> Presented | None:
        if renewed is None:
            return self.carriers.find(method, headers, client_id=self.client_id)
        self.carriers.refuse_cross_site(method, headers)
        exchange.opened = renewed  # the outer one sets its cookies
        return _cookie_of(renewed)

    async def _check(self, presented: Presented) -> Verified:
        return await self.auth.check(presented, audience=self.audience)

    def _renewal(self, given: Presented) -> Renewal:
        client_id = given.client_id or ""
        names = (cookie_name(client_id), refresh_cookie_name(client_id))
        return Renewal(frozenset(map(str.encode, names)), lambda: self._cookies_of(given))

    async def _cookies_of(self, given: Presented) -> HeaderList:
        """The cookies of a new handle. It is made as the answer begins, and not before: a handle
        that was spent for a slow answer would be past its grace when other requests still bring
        it. Where it cannot be made now, the next request tries again."""
        try:
            opened = await self.auth.refresh(given, client_id=given.client_id)
        except (AuthError, Unavailable):
            return []
        return self.carriers.set_cookies(opened, now=self.auth.clock.now())

    async def _renew(self, method: str, headers: Headers, exchange: Exchange) -> None:
        """A fresh credential for the refresh cookie. Where that is refused with 401 the refusal
        stands that there was; anything else, cannot know above all, is said instead."""
        if not keeps_records(self.auth):
            return  # the cookie is from when there was a store
        client_id = exchange.presented.client_id if exchange.presented else self.client_id
        try:
            given = self.carriers.require_handle(method, headers, client_id=client_id)
            opened = await self.auth.reissue(given, client_id=given.client_id)
        except (AuthError, Unavailable) as why:
            if status_of(why) != HTTPStatus.UNAUTHORIZED:
                exchange.refuse(why)
            return
        exchange.opened = opened
        exchange.presented = _cookie_of(opened)
        exchange.at_answer = self._renewal(given)
        try:
            exchange.verified = await self._check(exchange.presented)
            exchange.refusal = None
        except (AuthError, Unavailable) as why:
            exchange.refuse(why)


@dataclass(frozen=True, slots=True)
class VerifierCheck:
    """Checks bearer headers with an issuer's public keys; cookies are not looked at."""

    verifier: Verifier

    @property
    def holding(self) -> Holding:
        return self.verifier.holding

    async def look(self, scope: Scope, exchange: Exchange, _: Around | None) -> None:
        """Checks the request's bearer header. No I/O."""
        try:
            exchange.presented = presented = bearer.read(scope["headers"])
            if presented is not None:
                exchange.verified = self.verifier.check(presented.text)
        except (AuthError, Unavailable) as why:
            exchange.refuse(why)
            exchange.is_bearer = True


def _cookie_of(opened: Opened) -> Presented:
    return Presented(opened.credential.token, "cookie", opened.credential.client_id)


def _has_bearer(headers: Headers) -> bool:
    """Whether it was the Authorization header that was refused: it is looked at first and alone."""
    return any(name == b"authorization" for name, _ in headers)
