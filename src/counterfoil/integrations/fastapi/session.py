"""Who is asking, as dependencies. They read what the middleware found and check nothing again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, params
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes

from counterfoil.claims import require_roles
from counterfoil.credential import Presented, Verified
from counterfoil.errors import ConfigurationError, CredentialMissing, Forbidden, StepUpRequired
from counterfoil.integrations import asgi
from counterfoil.integrations.fastapi.schemes import BEARER, OPTIONAL
from counterfoil.lifetime import NOTHING, is_within, seconds_up


async def current_session(
    connection: HTTPConnection, scopes: SecurityScopes, _: Annotated[None, Depends(BEARER)]
) -> Verified:
    """Who is asking; with roles, somebody who has them all.

    Raises what the check raised: an `AuthError` for no (`CredentialMissing` where nothing was
    presented), `Unavailable` for cannot know. Give `app.dependency_overrides` another function in
    its place to test what stands above it; the roles of `requires` are asked for all the same.
    """
    return _with_roles(asgi.current_session(connection.scope), scopes.scopes)


async def optional_session(
    connection: HTTPConnection, scopes: SecurityScopes, _: Annotated[None, Depends(OPTIONAL)]
) -> Verified | None:
    """Who is asking; None for a visitor: nothing was presented, or a cookie whose session is over.

    Raises as `current_session` does for a bearer header that is refused, and for what cannot be
    known: an outage makes nobody anonymous.
    """
    found = asgi.optional_session(connection.scope)
    if found is None and scopes.scopes:
        raise CredentialMissing
    return found and _with_roles(found, scopes.scopes)


CurrentSession = Annotated[Verified, Depends(current_session)]
OptionalSession = Annotated[Verified | None, Depends(optional_session)]


async def presented_credential(connection: HTTPConnection, _: CurrentSession) -> Presented:
    """The credential that was checked, for the engine's verbs: `step_up`, `confirm`. It is the
    new one where the middleware has renewed it."""
    found = asgi.presented_of(connection.scope)
    if found is None:
        raise CredentialMissing
    return found


PresentedCredential = Annotated[Presented, Depends(presented_credential)]


def requires(*roles: str, recent: timedelta | None = None) -> params.Security:
    """A dependency that lets only a session with all these roles pass, and gives it.

    For `dependencies=[requires("admin")]`, on a route, a router or an application, and for
    `Annotated[Verified, requires("admin")]`. recent: the subject must have proved who they are,
    by signing in or stepping up, less than that ago. Raises `Forbidden`, `StepUpRequired`, and
    what `current_session` raises; `ConfigurationError` for roles that no claims can have.
    """
    require_roles(roles)
    if recent is not None and recent <= NOTHING:
        raise ConfigurationError("Give requires(recent=…) a time above zero.")

    async def required(connection: HTTPConnection, session: CurrentSession) -> Verified:
        # Asked again for the sake of an override, which knows nothing of roles.
        _with_roles(session, roles)
        if recent is not None:
            now = asgi.clock_of(connection.scope).now()
            if not is_within(session.auth_time, recent, now=now):
                raise StepUpRequired(
                    "This needs an identity that was proved less than "
                    f"{seconds_up(recent)} seconds ago."
                )
        return session

    return params.Security(required, scopes=roles)


async def own_site(connection: HTTPConnection) -> None:
    """For a call that comes without a credential and brings one about: sign-in, registration.

    Another site could sign a visitor in as somebody else (login CSRF). Raises `CrossSite`.
    """
    scope = connection.scope
    method = scope.get("method", "WEBSOCKET")
    asgi.carriers_of(scope).refuse_cross_site(method, scope["headers"])


def _with_roles(session: Verified, roles: list[str] | tuple[str, ...]) -> Verified:
    has = session.roles
    for role in roles:
        if role not in has:
            raise Forbidden(f"This needs the role {role}.")
    return session
