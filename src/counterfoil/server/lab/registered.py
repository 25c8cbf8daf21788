"""Who is registered at a scratch server: clients with lifetimes of seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from counterfoil.client import Client
from counterfoil.lifetime import Lifetime

ADMINISTRATOR: Final = "administrator"
# Short, so that nobody waits for what is to be seen.
MAX_STALENESS: Final = timedelta(seconds=2)
JWT_ACCESS: Final = timedelta(seconds=5)
GRACE: Final = timedelta(seconds=2)
_LIFETIME: Final = Lifetime(grace=GRACE)
_SIGNED: Final = Lifetime(grace=GRACE, access=JWT_ACCESS)
CLIENTS: Final = (
    Client(client_id="web", strategy="session", carrier="cookie", lifetime=_LIFETIME, manage=True),
    Client(
        client_id="api",
        strategy="hybrid",
        lifetime=_LIFETIME,
        max_staleness=MAX_STALENESS,
        manage=True,
    ),
    Client(client_id="partner", strategy="jwt", lifetime=_SIGNED),
    Client(client_id="batch", strategy="jwt", lifetime=_LIFETIME),
    Client(
        client_id="spa",
        strategy="hybrid",
        carrier="cookie",
        lifetime=_LIFETIME,
        max_staleness=MAX_STALENESS,
        manage=True,
    ),
)
