"""Sessions, JWTs, or a hybrid of both behind one API, revocable within a stated bound.

The public names, loaded on first use: a service that only verifies imports nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfoil.blocking import BlockingCounterfoil
    from counterfoil.client import Client
    from counterfoil.credential import Credential, Presented, Verified
    from counterfoil.engine import Counterfoil
    from counterfoil.errors import AuthError, ConfigurationError, CounterfoilError, Unavailable
    from counterfoil.lifetime import Lifetime
    from counterfoil.outcome import Changed, Opened, Revoked
    from counterfoil.session import Session
    from counterfoil.stores.key_files import KeyFiles
    from counterfoil.stores.memory import MemoryStore
    from counterfoil.stores.postgres import PostgresStore
    from counterfoil.stores.redis.store import RedisStore
    from counterfoil.stores.sqlite import SqliteStore
    from counterfoil.strategies.hybrid import HybridStrategy
    from counterfoil.strategies.jwt import JwtStrategy
    from counterfoil.strategies.session import SessionStrategy
    from counterfoil.verifier import Verifier

_HOMES = {
    "AuthError": "errors",
    "BlockingCounterfoil": "blocking",
    "Changed": "outcome",
    "Client": "client",
    "ConfigurationError": "errors",
    "Counterfoil": "engine",
    "CounterfoilError": "errors",
    "Credential": "credential",
    "HybridStrategy": "strategies.hybrid",
    "JwtStrategy": "strategies.jwt",
    "KeyFiles": "stores.key_files",
    "Lifetime": "lifetime",
    "MemoryStore": "stores.memory",
    "Opened": "outcome",
    "PostgresStore": "stores.postgres",
    "Presented": "credential",
    "RedisStore": "stores.redis.store",
    "Revoked": "outcome",
    "Session": "session",
    "SessionStrategy": "strategies.session",
    "SqliteStore": "stores.sqlite",
    "Unavailable": "errors",
    "Verified": "credential",
    "Verifier": "verifier",
}

__all__ = [
    "AuthError",
    "BlockingCounterfoil",
    "Changed",
    "Client",
    "ConfigurationError",
    "Counterfoil",
    "CounterfoilError",
    "Credential",
    "HybridStrategy",
    "JwtStrategy",
    "KeyFiles",
    "Lifetime",
    "MemoryStore",
    "Opened",
    "PostgresStore",
    "Presented",
    "RedisStore",
    "Revoked",
    "Session",
    "SessionStrategy",
    "SqliteStore",
    "Unavailable",
    "Verified",
    "Verifier",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'counterfoil' has no attribute {name!r}")
    value = getattr(import_module(f"counterfoil.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
