"""A client of your tests, signed in by your application's own engine."""

from __future__ import annotations

import asyncio
import inspect
from email.message import Message
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.request import Request

from counterfoil.carriers.cookie import set_cookies
from counterfoil.claims import normalised
from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from http.client import HTTPResponse

    from counterfoil.blocking import BlockingCounterfoil
    from counterfoil.engine import Counterfoil
    from counterfoil.outcome import Opened


class HttpClient(Protocol):
    """`httpx.Client`, `httpx.AsyncClient`, and what derives from them, such as the TestClient of
    Starlette and FastAPI."""

    @property
    def base_url(self) -> Any: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...

    @property
    def cookies(self) -> Any: ...


C = TypeVar("C", bound=HttpClient)


def signed_in(
    client: C,
    auth: Counterfoil | BlockingCounterfoil,
    subject: str = "ann",
    *,
    roles: Sequence[str] | None = None,
    claims: Mapping[str, Any] | None = None,
    client_id: str | None = None,
) -> C:
    """Opens a session in this engine and gives `client` the credential: its cookies, or its
    Authorization header. For a test without a running loop; else `await asigned_in`.

    roles and claims: what the session says of the subject. An engine with a claims source asks
    that: then leave them out, or name what it answers. client_id: where the engine has several.
    Raises `ConfigurationError` when the session would say anything else, for a client with cookies
    whose base_url is not https (`__Host-` cookies are Secure), and where a loop runs.
    """
    _require_https(client, auth, client_id)
    opened = auth.open(subject, client_id=client_id, claims=_said(roles, claims))
    if inspect.iscoroutine(opened):
        if _loop_runs():
            opened.close()
            raise ConfigurationError("Write `await asigned_in(…)`: in this test a loop runs.")
        opened = asyncio.run(opened)
    return _given(client, auth, cast("Opened", opened), roles, claims)


async def asigned_in(
    client: C,
    auth: Counterfoil,
    subject: str = "ann",
    *,
    roles: Sequence[str] | None = None,
    claims: Mapping[str, Any] | None = None,
    client_id: str | None = None,
) -> C:
    """`signed_in` where a loop runs."""
    _require_https(client, auth, client_id)
    opened = await auth.open(subject, client_id=client_id, claims=_said(roles, claims))
    return _given(client, auth, opened, roles, claims)


def _said(roles: Sequence[str] | None, claims: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**(claims or {}), **({} if roles is None else {"roles": listed(roles)})}


def listed(roles: Sequence[str]) -> list[str]:
    """Raises `ConfigurationError` for one text, which would become as many roles as letters."""
    if isinstance(roles, str):
        raise ConfigurationError(f'Give roles as a list, such as ["{roles}"].')
    return list(roles)


def _require_https(
    client: HttpClient, auth: Counterfoil | BlockingCounterfoil, client_id: str | None
) -> None:
    """Before a session is opened that nobody could present."""
    own = [each for each in auth.clients.values() if client_id in (None, each.client_id)]
    if len(own) != 1 or own[0].carrier != "cookie":
        return
    if not str(client.base_url).startswith("https://"):
        raise ConfigurationError(
            "Make the client with an https base_url, such as "
            'TestClient(app, base_url="https://testserver"): it sends Secure cookies nowhere else.'
        )


def _given(
    client: C,
    auth: Counterfoil | BlockingCounterfoil,
    opened: Opened,
    roles: Sequence[str] | None,
    claims: Mapping[str, Any] | None,
) -> C:
    for name, value in normalised(_said(roles, claims)).items():
        if opened.session.claims.get(name) != value:
            raise ConfigurationError(
                f"Let the engine's claims source answer these {name}, or leave them out here: "
                "an engine that has a claims source asks nobody else."
            )
    issued = opened.credential
    if issued.carrier == "bearer":
        client.headers["Authorization"] = f"Bearer {issued.token}"
        return client
    answer = Message()
    for _, value in set_cookies(issued, now=auth.clock.now()):
        answer["Set-Cookie"] = value.decode("ascii")
    _keep(client, answer)
    return client


def _keep(client: HttpClient, answer: Message) -> None:
    """Into the jar as if the site had set them, so that what it sets later takes their place."""
    jar = client.cookies.jar
    if not isinstance(jar, CookieJar):
        raise ConfigurationError("Give a client whose cookies.jar is an http.cookiejar.CookieJar.")
    asked = Request(str(client.base_url))  # noqa: S310 - names the site; nothing is fetched
    jar.extract_cookies(cast("HTTPResponse", _Answer(answer)), asked)


class _Answer:
    """As much of a response as a cookie jar reads."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    def info(self) -> Message:
        return self._headers


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
