"""A Redis or Valkey at a URL, alone or as a cluster: found out, and connected to."""

from __future__ import annotations

import re
import ssl
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.driver_info import DriverInfo
from redis.retry import Retry

from counterfoil.errors import ConfigurationError

Where = tuple[str, int]

PATIENCE: Final = 3.0  # seconds that an answer may take
CONNECTED_WITHIN: Final = 2.0
_SCHEMES: Final = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
}
_AUTHORITY: Final = re.compile(r"[^/?#]*")  # RFC 3986 §3.2
_PORT: Final = 6379
_SLOTS: Final = 16_384
_DRIVER: Final = DriverInfo()  # else each client reads the metadata of the package for its version


class Layout(NamedTuple):
    """Which server has which slots, from one to another; alone, one has them all."""

    is_cluster: bool
    ranges: tuple[tuple[int, int, Where], ...]

    def of_slot(self, slot: int) -> Where | None:
        return next((where for first, last, where in self.ranges if first <= slot <= last), None)

    @property
    def servers(self) -> tuple[Where, ...]:
        return tuple(dict.fromkeys(where for _, _, where in self.ranges))


class Address:
    """Where it is. Raises `ConfigurationError` for what is no such address.

    Several hosts, with commas between, are nodes of one cluster, any of which tells of the others.
    """

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme not in _SCHEMES or not rest:
            raise ConfigurationError("Give RedisStore a URL such as redis://host:6379/0.")
        authority = _AUTHORITY.match(rest)[0]  # type: ignore[index] # it matches anything
        path = rest[len(authority) :]
        credentials, at, hosts = authority.rpartition("@")
        self._urls = [
            f"{_SCHEMES[scheme]}://{credentials}{at}{host}{path}" for host in hosts.split(",")
        ]
        try:
            self._settings = [_settings_of(each) for each in self._urls]
        except (ValueError, TypeError):  # whose text may repeat the password
            raise ConfigurationError(
                "Correct the URL of the store: redis://user:password@host:port/number, or rediss://"
                " for TLS."
            ) from None

    def layout(self) -> Layout:
        """What the first host tells that answers. Raises `RedisError` where none does, and
        `ConfigurationError` for several that are no cluster."""
        failure: RedisError | None = None
        for settings in self._settings:
            where = settings["host"], settings["port"]
            with Redis(**{**settings, "db": 0}) as client:
                try:
                    if is_cluster(client):
                        return slots_of(client, where)
                except RedisError as why:
                    failure = why
                    continue
            if len(self._settings) > 1:
                raise ConfigurationError(
                    "Name one host in the URL of the store: several are nodes of one cluster, and"
                    " here is none."
                )
            return Layout(is_cluster=False, ranges=((0, _SLOTS - 1, where),))
        raise failure or RedisError("no host")

    def client(self, where: Where, layout: Layout, *, patience: float = PATIENCE) -> Redis:
        """A client for one server, which opens connections as they are needed; threads may share
        it."""
        settings = {**self._settings[0], "host": where[0], "port": where[1]}
        if layout.is_cluster:
            settings["db"] = 0
        if patience != PATIENCE:
            settings |= {"socket_timeout": patience, "socket_connect_timeout": patience}
        return Redis(**settings)


def kind_of(why: BaseException) -> str:
    """Of what kind an error is, and of TLS what was wrong with it; texts may name people and
    machines."""
    told: BaseException | None = why
    while told is not None and not isinstance(told, ssl.SSLError):
        told = told.__cause__ or told.__context__
    return type(told or why).__name__


def is_cluster(client: Redis) -> bool:
    told: dict[str, Any] = client.info("cluster")
    return told.get("cluster_enabled") == 1


def slots_of(client: Redis, asked: Where) -> Layout:
    """Which masters a node of a cluster knows. asked: where it is."""
    # As two words, so that the driver gives what was said.
    told: list[Any] = client.execute_command("CLUSTER", "SLOTS")
    ranges = [(first, last, _where(master, asked)) for first, last, master, *_ in told]
    return Layout(is_cluster=True, ranges=tuple(ranges))


def _where(node: Any, asked: Where) -> Where:
    """Of a host that is unknown, or is the one that was asked, nothing is said."""
    host = (node[0] or b"").decode()
    return (asked[0] if host in {"", "?"} else host), int(node[1])


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
        "driver_info": _DRIVER,
    }
