"""Sessions that are kept apart from all else: whether Redis answers, and can be relied on."""

from __future__ import annotations

from counterfoil.cli.doctor.finding import Finding, ok, wrong
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.server.settings import Settings

_MEND = "Start it, or correct its URL."


def finding(settings: Settings, address: str) -> Finding:
    """Nothing is changed there."""
    try:
        from counterfoil.stores.redis.setup import looked_at
    except ImportError:
        return wrong("sessions", "Sessions are kept in Redis.", "Install counterfoil[redis].")
    try:
        looked_at(address, settings.durability).close()
    except ConfigurationError as why:
        return wrong("sessions", "Redis cannot be relied on.", why.detail)
    except StoreUnavailable as why:
        return wrong("sessions", why.detail, _MEND)
    return ok("sessions", "Redis answers, and is set to keep what it acknowledges.")
