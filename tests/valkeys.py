"""A real Valkey, started by the tests themselves from a package, or named by the environment.

COUNTERFOIL_TEST_REDIS_URL names a Redis or Valkey, alone or a cluster, that the tests may empty.
Otherwise each process of the tests starts its own on loopback when the first test asks for it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from counterfoil.stores.redis.address import Address
from engines import valkey
from engines.postgres import NotHere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.valkey import ValkeyServer

URL: Final = "COUNTERFOIL_TEST_REDIS_URL"
REQUIRED: Final = "COUNTERFOIL_TEST_REQUIRE_REDIS"


@contextlib.contextmanager
def valkey_server(**settings: str) -> Iterator[ValkeyServer]:
    """A server of one's own, for who stops it."""
    with contextlib.ExitStack() as kept:
        try:
            server = kept.enter_context(valkey.valkey_server(**settings))
        except NotHere as why:
            do_without(str(why))
        yield server


@contextlib.contextmanager
def valkey_cluster(**settings: str) -> Iterator[list[ValkeyServer]]:
    """Three masters of one's own, for who stops them."""
    with contextlib.ExitStack() as kept:
        try:
            servers = kept.enter_context(valkey.valkey_cluster(**settings))
        except NotHere as why:
            do_without(str(why))
        yield servers


@contextlib.contextmanager
def empty_valkey(*, cluster: bool = False) -> Iterator[str]:
    """The URL of one in which there is nothing, alone or a cluster."""
    url = _shared_cluster() if cluster else _shared()
    address = Address(url)
    layout = address.layout()
    for where in layout.servers:
        with address.client(where, layout) as master:
            master.flushdb()
    yield url


@cache
def _shared() -> str:
    if (given := os.environ.get(URL)) and not _is_cluster(given):
        return given
    kept = contextlib.ExitStack()
    server = kept.enter_context(valkey_server())
    atexit.register(kept.close)
    return server.url


@cache
def _shared_cluster() -> str:
    if (given := os.environ.get(URL)) and _is_cluster(given):
        return given
    kept = contextlib.ExitStack()
    servers = kept.enter_context(valkey_cluster())
    atexit.register(kept.close)
    return valkey.url_of(servers)


def _is_cluster(url: str) -> bool:
    return Address(url).layout().is_cluster


def do_without(why: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"Redis or Valkey is needed here: {why}.")
    pytest.skip(f"No Valkey here: {why}. Set {URL} to use another one.")
