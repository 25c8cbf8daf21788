"""FastAPI: `protect(app, auth)`, then `CurrentSession` wherever a session is needed."""

from counterfoil.integrations.fastapi.application import protect
from counterfoil.integrations.fastapi.routes import session_routes
from counterfoil.integrations.fastapi.session import (
    CurrentSession,
    OptionalSession,
    PresentedCredential,
    current_session,
    optional_session,
    own_site,
    presented_credential,
    requires,
)
from counterfoil.integrations.fastapi.sign_in import sign_in_response

__all__ = [
    "CurrentSession",
    "OptionalSession",
    "PresentedCredential",
    "current_session",
    "optional_session",
    "own_site",
    "presented_credential",
    "protect",
    "requires",
    "session_routes",
    "sign_in_response",
]
