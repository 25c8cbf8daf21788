"""A Redis or Valkey at a URL, alone or as a cluster: found out, and connected to."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.retry import Retry

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

Client: TypeAlias = "Redis | RedisCluster"

PATIENCE: Final = 3.0  # seconds that an answer may take
CONNECTED_WITHIN: Final = 2.0
_SCHEMES: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
}
_PORT: Final = 6379


class Address:
    """Where it is. Raises `ConfigurationError` for what is no such address.

    Several hosts, with commas between, are nodes of one cluster, any of which tells of the others.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme not in _SCHEMES or not rest:
            raise ConfigurationError("Give RedisStore a URL such as redis://host:6379/0.")
        authority, slash, path = rest.partition("/")
        credentials, at, hosts = authority.rpartition("@")
        self._urls = [
            f"{_SCHEMES[scheme]}://{credentials}{at}{host}{slash}{path}"
            for host in hosts.split(",")
        ]
        try:
            self._settings = [_settings_of(each) for each in self._urls]
        except (ValueError, TypeError):  # whose text may repeat the password
            raise ConfigurationError(
                "Correct the URL of the store: redis://user:password@host:port/number, or rediss://"
                " for TLS."
            ) from None

    def connect(self) -> Client:
        """A client, which opens connections as they are needed; threads may share it. Raises
        `RedisError` where nobody answers."""
        failure: RedisError | None = None
        for settings in self._settings:
            client = Redis(**settings)
            try:
                is_cluster = _asked(client).get("cluster_enabled") == 1
            except RedisError as why:
                failure = why
                client.close()
                continue
            if not is_cluster:
                return client
            client.close()
            return self._cluster()
        raise failure or RedisError("no host")

    def _cluster(self) -> RedisCluster:
        settings = dict(self._settings[0])
        for name in ("host", "port", "db"):
            settings.pop(name, None)
        nodes = [ClusterNode(each["host"], each["port"]) for each in self._settings]
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **settings)


def masters(client: Client) -> Iterator[Redis]:
    """A client for each server that takes writes."""
    if isinstance(client, Redis):
        yield client
        return
    for node in client.get_primaries():
        yield client.get_redis_connection(node)


def any_node(client: Client) -> Redis:
    """One that answers, if any does: what is published in a cluster is heard at each. Raises
    `RedisError`."""
    if isinstance(client, Redis):
        return client
    for node in client.get_primaries():
        with suppress(RedisError):
            found = client.get_redis_connection(node)
            found.ping()
            return found
    raise RedisError("no node answers")


def _asked(client: Redis) -> dict[str, Any]:
    told: dict[str, Any] = client.info("cluster")
    return told


def _settings_of(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("host")
    settings: dict[str, Any] = {"host": "localhost", "port": parts.port or _PORT, **parse_url(url)}
    settings.pop("connection_class", None)
    return {
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": CONNECTED_WITHIN,
        "socket_keepalive": True,
        "client_name": "counterfoil",
        **settings,
        **({"ssl": True} if parts.scheme == "rediss" else {}),
        # What may have been done is not done again unasked.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": False,
    }
