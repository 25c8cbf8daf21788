"""Sessions that are kept apart from all else: whether Redis answers, and can be relied on."""

from __future__ import annotations

from counterfoil.cli.doctor.finding import Finding, ok, wrong
from counterfoil.errors import ConfigurationError
from counterfoil.server.settings import Settings

_MEND = "Start it, or correct its URL."


def finding(settings: Settings, address: str) -> Finding:
    """Nothing is changed there."""
    try:
        from redis import RedisError

        from counterfoil.stores.redis.address import Address
        from counterfoil.stores.redis.setup import require_fit
    except ImportError:
        return wrong("sessions", "Sessions are kept in Redis.", "Install counterfoil[redis].")
    try:
        client = Address(address).connect()
        try:
            require_fit(client, settings.durability)
        finally:
            client.close()
    except ConfigurationError as why:
        return wrong("sessions", "Redis cannot be relied on.", why.detail)
    except RedisError as why:
        return wrong("sessions", f"Redis does not answer: {type(why).__name__}.", _MEND)
    return ok("sessions", "Redis answers, and is set to keep what it acknowledges.")
