"""One request to a page: who sends it, what it sends, and which cookies the answer sets."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from counterfoil.credential import Presented
from counterfoil.errors import AuthError, CredentialMissing, Malformed, RefreshUnknown
from counterfoil.integrations.problem import status_of
from counterfoil.server.pages import notices
from counterfoil.server.pages.destination import destination
from counterfoil.server.urlencoded import read_form

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from counterfoil.carriers.headers import Headers
    from counterfoil.client import Client
    from counterfoil.outcome import Opened
    from counterfoil.server.api.context import Context
    from counterfoil.server.pages.notices import Notice


PLACE: Final = "/account"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, by the record as it is now, and the credential that says so."""

    subject: str
    session_id: str
    roles: tuple[str, ...]
    presented: Presented


@dataclass(frozen=True, slots=True)
class Visit:
    """client: whose cookies these pages set. cookies: the headers that go out with the answer,
    whatever it says: a handle that was replaced must reach the browser."""

    request: Request
    parts: Context
    client: Client
    cookies: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def headers(self) -> Headers:
        return self.request.headers.raw

    @property
    def now(self) -> datetime:
        return self.parts.auth.clock.now()

    @property
    def named(self) -> str | None:
        """The place that `next` names, if it is one of this site."""
        return destination(self.request.query_params.getlist("next"))

    @property
    def destination(self) -> str:
        """Where a sign-in leads."""
        return self.named or self.at(PLACE)

    def at(self, path: str) -> str:
        """The address of one of these pages."""
        return root_of(self.parts) + path

    async def person(self) -> Person:
        """Who is signed in here. A credential that has run out is refreshed on the way.

        The cookie alone is looked at: what a proxy wants in Authorization is none of ours. Raises
        as a check does, `CredentialMissing` for nobody.
        """
        try:
            presented = self._presented()
            verified = await self.parts.auth.confirm(presented)
        except AuthError as refused:
            if not self.client.signs or not is_signed_out(refused):
                raise
            return await self._renewed()
        if verified.refresh_due:
            # As at /v1/session: privileges changed since the handle was issued. One that a
            # step-up has replaced meanwhile needs no further one.
            with suppress(RefreshUnknown):
                return await self._renewed()
        return Person(verified.subject, verified.session_id, verified.roles, presented)

    async def onlooker(self) -> Person:
        """The same without a use of the session, so that it goes on to expire; where the
        credential is a token, it cannot be told from one."""
        if self.client.signs:
            return await self.person()
        presented = self._presented()
        verified = await self.parts.auth.introspect(presented)
        return Person(verified.subject, verified.session_id, verified.roles, presented)

    def handle(self) -> Presented | None:
        """What renews the session, or ends it."""
        return self.parts.carriers.cookies.refresh_handle(
            self.headers, client_id=self.client.client_id
        )

    def ending(self) -> Presented | None:
        """What a sign-out ends the session with, expired or not: where the refresh cookie is gone,
        the token names it too."""
        return self.handle() or self.parts.carriers.cookies.credential(
            self.headers, client_id=self.client.client_id
        )

    async def fields(self, *names: str) -> dict[str, str]:
        """The form that was sent. Raises `Malformed` unless it has just these fields."""
        sent = await read_form(self.request)
        if sent.keys() != set(names):
            raise Malformed("The form does not have the fields that belong here.")
        return sent

    def carry(self, opened: Opened) -> None:
        """Hands out this credential, instead of any other."""
        self.cookies[:] = self.parts.carriers.set_cookies(opened, now=self.now)

    def clear(self) -> None:
        """Takes the credential away."""
        self.cookies[:] = self.parts.carriers.clear_cookies(self.client.client_id)

    def notify(self, notice: Notice) -> None:
        """Has the next page tell what was done."""
        self.cookies.append(notices.set_cookie(notice))

    def notified(self) -> Notice | None:
        """What there is to tell, once."""
        notice = notices.read(self.headers)
        if notice is not None:
            self.cookies.append(notices.clear_cookie())
        return notice

    def _presented(self) -> Presented:
        found = self.parts.carriers.cookies.credential(
            self.headers, client_id=self.client.client_id
        )
        if found is None:
            raise CredentialMissing
        return found

    async def _renewed(self) -> Person:
        handle = self.handle()
        if handle is None:
            raise CredentialMissing
        opened = await self.parts.auth.refresh(handle, client_id=self.client.client_id)
        self.carry(opened)
        session = opened.session
        presented = Presented(opened.credential.token, "cookie", self.client.client_id)
        return Person(
            session.subject, session.id, tuple(session.claims.get("roles", ())), presented
        )


def root_of(parts: Context) -> str:
    """The path of the issuer's URL, which a proxy takes away before it asks here."""
    return urlsplit(parts.auth.issuer).path


def is_signed_out(error: AuthError) -> bool:
    """Whether nobody is signed in, rather than that the request cannot be answered."""
    return status_of(error) == HTTPStatus.UNAUTHORIZED
