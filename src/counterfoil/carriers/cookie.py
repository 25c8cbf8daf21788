"""Credentials in `__Host-` cookies: read byte for byte, set and cleared with every attribute.

Browsers let only the host itself, over TLS, set a name that begins with `__Host-`. That holds no
longer than the server compares the very bytes: parsers that trim Unicode space, honour `$Version`
or decode quotes read the name where the browser saw another (PortSwigger, Cookie Chaos, 2025).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from counterfoil.credential import LARGEST_COOKIE, Presented
from counterfoil.errors import (
    ConfigurationError,
    CredentialExpired,
    CredentialMalformed,
    Malformed,
    TooLarge,
)
from counterfoil.lifetime import remaining, seconds_up

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from counterfoil.carriers.headers import Headers
    from counterfoil.client import Client
    from counterfoil.credential import Credential

LIMIT = 64 * 1024  # of all Cookie headers together
LARGEST = LARGEST_COOKIE
_VALUE = re.compile(rb"[A-Za-z0-9._-]+")  # handles and compact tokens; within RFC 6265's octets
_SEVERAL = "The cookies of several clients are there: name the client_id."
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"


def cookie_name(client_id: str) -> str:
    return f"__Host-cf_{client_id}"


def refresh_cookie_name(client_id: str) -> str:
    return f"__Host-cf_{client_id}_r"


class CookieReader:
    """Reads the cookies of the cookie clients among `clients`; others' cookies are not looked at.

    Raises `ConfigurationError` when two clients would share a name (`app`, signing, and `app_r`):
    a name is found by looking it up, never by taking it apart.
    """

    __slots__ = ("_credentials", "_handles", "_names")

    def __init__(self, clients: Iterable[Client]) -> None:
        self._credentials: dict[bytes, str] = {}
        self._handles: dict[bytes, str] = {}
        self._names: set[bytes] = set()
        for client in clients:
            if client.carrier == "cookie":
                self._add(client)

    def _add(self, client: Client) -> None:
        names = [name.encode("ascii") for name in _names_of(client)]
        if not self._names.isdisjoint(names):
            raise ConfigurationError(
                f"Rename the client {client.client_id}: another client has its cookie's name."
            )
        self._names.update(names)
        self._credentials[names[0]] = client.client_id
        self._handles[names[-1]] = client.client_id

    def credential(self, headers: Headers, *, client_id: str | None = None) -> Presented | None:
        """The credential that the cookies present, of `client_id` if named; None without one.

        Cookies of several clients, refresh cookies too, are `Malformed` unless one is named, a
        name twice always. When only the refresh cookie is left, the browser has dropped the
        credential at its end: `CredentialExpired`.
        """
        found = self._own(headers)
        names = _names_in(found, self._credentials, client_id)
        left = {self._handles[name] for name in _names_in(found, self._handles, client_id)}
        if len(left.union(self._credentials[name] for name in names)) > 1:
            raise Malformed(_SEVERAL)
        if left and not names:
            raise CredentialExpired("Only the refresh cookie is left.")
        return _one(names, found, self._credentials)

    def refresh_handle(self, headers: Headers, *, client_id: str | None = None) -> Presented | None:
        """The handle that renews: the refresh cookie, or the credential itself at `session`."""
        found = self._own(headers)
        return _one(_names_in(found, self._handles, client_id), found, self._handles)

    def _own(self, headers: Headers) -> dict[bytes, bytes]:
        # HTTP/2 may split the field into several, to be joined like this (RFC 9113 §8.2.3).
        field = b"; ".join([value for name, value in headers if name == b"cookie"])
        if len(field) > LIMIT:
            raise TooLarge(f"The cookies are longer than {LIMIT} bytes.")
        found: dict[bytes, bytes] = {}
        for pair in field.split(b";"):
            name, equals, value = pair.removeprefix(b" ").partition(b"=")
            if not equals or name not in self._names:
                continue
            if name in found:
                raise Malformed(f"The cookie {name.decode('ascii')} is there more than once.")
            found[name] = value
        return found


def set_cookies(credential: Credential, *, now: datetime) -> list[tuple[bytes, bytes]]:
    """The Set-Cookie headers that hand out this credential, under its own client's names.

    A signing client's refresh cookie is cleared when there is no handle: an older one would renew
    somebody else's session. Raises `TooLarge` where browsers would drop the cookie in silence, and
    `ConfigurationError` for a bearer client's.
    """
    if credential.carrier != "cookie":
        raise ConfigurationError("Set cookies only for a cookie client's credential.")
    age = seconds_up(remaining(credential.expires_at, now=now))
    headers = [_set(cookie_name(credential.client_id), credential.token, age)]
    if credential.signs:
        name = refresh_cookie_name(credential.client_id)
        handle = credential.refresh_handle
        age = seconds_up(remaining(credential.refresh_expires_at, now=now))
        headers.append(_set(name, handle, age) if handle else _clear(name))
    return headers


def clear_cookies(client: Client) -> list[tuple[bytes, bytes]]:
    """The Set-Cookie headers of a sign-out; not for the loser of a refresh race, who stays."""
    return [_clear(name) for name in _names_of(client)]


def _names_of(client: Client) -> list[str]:
    name = cookie_name(client.client_id)
    return [name, refresh_cookie_name(client.client_id)] if client.signs else [name]


def _names_in(
    found: dict[bytes, bytes], clients: dict[bytes, str], client_id: str | None
) -> list[bytes]:
    return [name for name in found if name in clients and client_id in {None, clients[name]}]


def _one(
    names: list[bytes], found: dict[bytes, bytes], clients: dict[bytes, str]
) -> Presented | None:
    if not names:
        return None
    if len(names) > 1:
        raise Malformed(_SEVERAL)
    (name,) = names
    if not _VALUE.fullmatch(found[name]):
        raise CredentialMalformed(f"The cookie {name.decode('ascii')} holds no credential.")
    return Presented(found[name].decode("ascii"), "cookie", clients[name])


def _set(name: str, text: str, age: int) -> tuple[bytes, bytes]:
    value = text.encode("utf-8", "surrogatepass")
    if not _VALUE.fullmatch(value):
        raise CredentialMalformed(f"The credential for the cookie {name} is not base64url.")
    if len(name) + len(value) > LARGEST:
        raise TooLarge(f"The cookie {name} would be over {LARGEST} bytes: carry fewer claims.")
    return b"set-cookie", f"{name}={text}; Max-Age={age}; {_ATTRIBUTES}".encode("ascii")


def _clear(name: str) -> tuple[bytes, bytes]:
    return b"set-cookie", f"{name}=; Max-Age=0; {_ATTRIBUTES}".encode("ascii")
