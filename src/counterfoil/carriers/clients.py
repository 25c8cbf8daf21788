"""The carriers of an engine's clients: what requests present, which cookies answers set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from counterfoil.carriers import bearer
from counterfoil.carriers import request as carriers
from counterfoil.carriers.cookie import CookieReader, clear_cookies, set_cookies
from counterfoil.carriers.cross_site import refuse_cross_site
from counterfoil.errors import (
    ConfigurationError,
    CredentialExpired,
    CredentialMissing,
    Malformed,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from counterfoil.carriers.headers import Headers
    from counterfoil.client import Client
    from counterfoil.credential import Presented
    from counterfoil.outcome import Opened

_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_PORTS: Final = {"http": 80, "https": 443}


class _Reader(NamedTuple):
    clients: tuple[Client, ...]
    cookies: CookieReader


class ClientCarriers:
    """Reads requests and writes answers for these clients.

    clients: by client_id; a mapping that changes is followed. issuer: its origin is the site's
    own; `origins`: further ones that the site is reached at, as browsers send them
    (`https://app.example`), else `ConfigurationError`. A cookie counts only where no other site
    sent it: every reader here raises `CrossSite` otherwise.
    """

    def __init__(
        self, clients: Mapping[str, Client], *, issuer: str, origins: Iterable[str] = ()
    ) -> None:
        self._clients = clients
        self._reader = _Reader((), CookieReader(()))
        self.origins = frozenset({_origin_of(issuer), *_sendable(origins)})
        _ = self.cookies  # clients whose cookies would have one name are refused now

    @property
    def cookies(self) -> CookieReader:
        """A reader of the cookies of the clients there are now."""
        clients = tuple(self._clients.values())
        if clients != self._reader.clients:
            self._reader = _Reader(clients, CookieReader(clients))
        return self._reader.cookies

    def find(
        self, method: str, headers: Headers, *, client_id: str | None = None
    ) -> Presented | None:
        """The request's one credential, of `client_id` if named; None without one."""
        return self._own(method, headers, carriers.find(headers, self.cookies, client_id=client_id))

    def require(self, method: str, headers: Headers, *, client_id: str | None = None) -> Presented:
        """As `find`; raises `CredentialMissing` when there is none."""
        return _there(self.find(method, headers, client_id=client_id))

    def require_handle(
        self, method: str, headers: Headers, *, client_id: str | None = None
    ) -> Presented:
        """The handle in the refresh cookie. Raises `Malformed` for a bearer header beside it."""
        if bearer.read(headers) is not None:
            raise Malformed("Send the handle as refresh_handle, without an Authorization header.")
        return _there(
            self._own(method, headers, self.cookies.refresh_handle(headers, client_id=client_id))
        )

    def require_ending(
        self, method: str, headers: Headers, *, client_id: str | None = None
    ) -> Presented:
        """What to sign out with: where a cookie's token is gone, its handle is enough."""
        try:
            return self.require(method, headers, client_id=client_id)
        except CredentialExpired:
            return self.require_handle(method, headers, client_id=client_id)

    def refuse_cross_site(self, method: str, headers: Headers) -> None:
        """For requests that come without a credential and bring one about: sign-in, registration.
        Raises `CrossSite`."""
        refuse_cross_site(method, headers, allowed_origins=self.origins)

    def set_cookies(self, opened: Opened, *, now: datetime) -> list[tuple[bytes, bytes]]:
        """The Set-Cookie headers that hand out this credential; none for a bearer client."""
        if opened.credential.carrier != "cookie":
            return []
        return set_cookies(opened.credential, now=now)

    def clear_cookies(self, client_id: str | None) -> list[tuple[bytes, bytes]]:
        """The Set-Cookie headers of a sign-out; none for a bearer client, or for no client."""
        client = self._clients.get(client_id or "")
        if client is None or client.carrier != "cookie":
            return []
        return clear_cookies(client)

    def _own(self, method: str, headers: Headers, found: Presented | None) -> Presented | None:
        if found is not None and found.carrier == "cookie":
            self.refuse_cross_site(method, headers)
        return found


def _origin_of(url: str) -> str:
    """As a browser sends it (RFC 6454 §6.2): in lower case, and with no port that the scheme has by
    itself. Raises `ValueError` for a port that is none."""
    parts = urlsplit(url)
    port = None if parts.port == _PORTS.get(parts.scheme) else parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _sendable(origins: Iterable[str]) -> list[str]:
    """Raises `ConfigurationError` for what no browser sends: it would let nobody in."""
    found = [*origins]
    if isinstance(origins, str) or not all(map(_is_sendable, found)):
        raise ConfigurationError(
            'Give origins as a list such as ["https://www.example"]: in lower case, without a '
            "path, a slash at the end, or a port that the scheme has by itself."
        )
    return found


def _is_sendable(origin: object) -> bool:
    try:
        is_one = isinstance(origin, str) and _ORIGIN.fullmatch(origin) is not None
        return is_one and _origin_of(str(origin)) == origin
    except ValueError:
        return False


def _there(found: Presented | None) -> Presented:
    if found is None:
        raise CredentialMissing
    return found
