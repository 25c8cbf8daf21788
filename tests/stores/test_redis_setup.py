"""Which Redis or Valkey is taken for a store, and what it has to lose."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import pytest

from certificates import certificate
from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError, StoreUnavailable
from counterfoil.ports import Commit
from counterfoil.stores.durability import Durability
from counterfoil.stores.redis.address import Address, Layout
from counterfoil.stores.redis.setup import require_fit
from counterfoil.stores.redis.store import RedisStore
from counterfoil.testing.records import NOW, a_session, found, opened
from valkeys import empty_valkey, valkey_server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from engines.valkey import ValkeyServer

WEAKER = r"may-lose-on-failover'"


@pytest.fixture(scope="module")
def own_server() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


@pytest.fixture
def server(own_server: ValkeyServer) -> ValkeyServer:
    with own_server.client() as client:
        client.flushall()
    return own_server


@contextlib.contextmanager
def store_at(url: str) -> Iterator[RedisStore]:
    store = RedisStore(url).blocking()
    try:
        yield store
    finally:
        drive(store.close())


@pytest.mark.parametrize(
    "address",
    ["app.db", "mysql://host/db", "redis://", "redis://host:port/0", "redis://u:nonsense@/0"],
)
def test_what_is_no_address_of_redis_is_refused_without_being_repeated(address: str) -> None:
    """There may be a password in it."""
    with pytest.raises(ConfigurationError, match="redis://") as refused:
        RedisStore(address)
    assert "nonsense" not in str(refused.value)


def test_a_server_that_is_not_there_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    """It may be there a moment later; the text names nobody."""
    with pytest.raises(StoreUnavailable) as refused:
        RedisStore("redis://somebody:secret@127.0.0.1:9/0")
    for said in (str(refused.value), repr(refused.value), caplog.text):
        assert "somebody" not in said
        assert "secret" not in said


def test_a_wrong_password_is_told_nobody(
    server: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in what is raised, nor in the log, nor in what a debugger shows of the store."""
    caplog.set_level(logging.DEBUG)
    with server.client() as console:
        console.execute_command("ACL", "SETUSER", "app", "on", ">right-one", "~*", "&*", "+@all")
    with pytest.raises(StoreUnavailable, match="AuthenticationError") as refused:
        RedisStore(f"redis://app:wrong-one@127.0.0.1:{server.port}/0")
    with store_at(f"redis://app:right-one@127.0.0.1:{server.port}/0") as store:
        drive(opened(store, a_session()))
        for said in (str(refused.value), repr(refused.value), repr(store), caplog.text):
            assert "-one" not in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"appendonly": "no"}, "Set appendonly to yes and appendfsync to always"),
        ({"appendfsync": "everysec"}, "Set appendonly to yes and appendfsync to always"),
        ({"maxmemory-policy": "allkeys-lru"}, "Set maxmemory-policy to noeviction"),
    ],
)
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(
    settings: dict[str, str], says: str
) -> None:
    """Unless the operator says that it may."""
    with valkey_server(**settings) as server:
        with pytest.raises(ConfigurationError, match=f"{says}.*{WEAKER}") as refused:
            RedisStore(server.url)
        assert "\n" not in refused.value.detail
        drive(RedisStore(server.url, durability="may-lose-on-failover").close())


def test_a_server_that_has_a_replica_is_refused(server: ValkeyServer) -> None:
    """Once the replica has begun to follow, as far as the server knows."""
    with valkey_server(replicaof=f"127.0.0.1 {server.port}") as replica:
        with server.client() as console:
            while not console.info("replication")["connected_slaves"]:
                pass
        with pytest.raises(ConfigurationError, match=f"Take the replicas away.*{WEAKER}"):
            RedisStore(server.url)
        drive(RedisStore(server.url, durability="may-lose-on-failover").close())
        with pytest.raises(StoreUnavailable, match="ReadOnly"):
            RedisStore(replica.url, durability="may-lose-on-failover")


def test_a_server_that_does_not_show_its_settings_is_refused(server: ValkeyServer) -> None:
    with server.client() as console:
        rights = ("~*", "&*", "+@all", "-config")
        console.execute_command("ACL", "SETUSER", "app", "on", ">word", *rights)
    url = f"redis://app:word@127.0.0.1:{server.port}/0"
    with pytest.raises(ConfigurationError, match=f"CONFIG GET.*{WEAKER}"):
        RedisStore(url)
    drive(RedisStore(url, durability="may-lose-on-failover").close())


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("6.2.14", False), ("7.0.0", True), ("7.2.4", True), ("10.0.0", True)],  # Valkey says 7.2.4
)
def test_a_server_that_is_too_old_is_refused(
    server: ValkeyServer, version: str, *, is_taken: bool
) -> None:
    """Whatever it is set to: the scripts need what came with Redis 7."""
    with server.client() as client:
        whole = client.info

        def info(section: str) -> dict[str, object]:
            return {**whole(section), "redis_version": version}

        client.info = info  # no such server is in any package
        for durability in get_args(Durability):
            if is_taken:
                require_fit(client, durability)
            else:
                with pytest.raises(ConfigurationError, match=r"^Use Redis 7\.0, or Valkey 7\.2"):
                    require_fit(client, durability)


def test_what_a_server_is_set_to_is_looked_at_again_when_it_has_come_back() -> None:
    """What somebody set while it ran, or has started it with anew."""
    with valkey_server() as server, store_at(server.url) as store:
        drive(opened(store, a_session()))
        server.kill()
        with pytest.raises(StoreUnavailable):
            drive(store.look_up("s-1"))
        server.settings["appendfsync"] = "everysec"
        server.start()
        until_it_says(store, "Set appendonly to yes")
        with server.client() as console:
            console.config_set("appendfsync", "always")
        until_it_says(store, "")


def test_a_connection_may_be_encrypted(server: ValkeyServer, tmp_path: Path) -> None:
    """The server's certificate is checked, and against an authority that is named."""
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
    path, context = certificate(own, host="127.0.0.1")
    stranger, _ = certificate(other, host="127.0.0.1")
    with encrypted(server.port, context) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs="
        with store_at(f"{url}{path}") as store:
            drive(opened(store, a_session()))
            assert drive(found(store, "s-1"))
        with store_at(f"{url}{path}".replace("rediss://", "valkeys://")) as store:
            assert drive(found(store, "s-1"))
        for refused in (f"{url}{stranger}", url.partition("?")[0]):
            with pytest.raises(StoreUnavailable, match=r"^[^\n]*SSLCertVerificationError[^\n]*$"):
                RedisStore(refused)
        with pytest.raises(StoreUnavailable):
            RedisStore(f"redis://127.0.0.1:{port}/0")


def test_a_store_is_opened_as_what_it_was_made(server: ValkeyServer) -> None:
    """What was written as a cluster, and was brought to a server alone, is in sixteen shards; or in
    another format, which a later version has."""
    drive(RedisStore(server.url).close())
    for field, other in (("shards", "16"), ("format", "2")):
        with server.client() as console:
            (key,) = console.keys("{cf*}:f")
            was = console.hget(key, field)
            console.hset(key, field, other)
            with pytest.raises(ConfigurationError, match="as what it was made"):
                RedisStore(server.url)
            console.hset(key, field, was)
    drive(RedisStore(server.url).close())


@pytest.mark.parametrize("cluster", [False, True])
def test_it_is_made_once_however_many_begin(*, cluster: bool) -> None:
    """At the same time, where there is nothing."""
    with empty_valkey(cluster=cluster) as url, ThreadPoolExecutor(8) as threads:
        stores = [store.blocking() for store in threads.map(RedisStore, [url] * 8)]
        for number, store in enumerate(stores):
            session = a_session(f"s-{number}", subject=f"user-{number}")
            drive(opened(store, session))
        reads = [drive(store.feed(None, now=NOW)) for store in stores]
        assert len({read.position for read in reads}) == 1
        trails = [drive(store.look_up(f"s-{7 - n}")) for n, store in enumerate(stores)]
        assert all(trails)
        for store in stores:
            drive(store.close())


def test_valkey_is_another_word_for_redis(server: ValkeyServer) -> None:
    with store_at(server.url.replace("redis://", "valkey://")) as store:
        drive(opened(store, a_session()))
    with store_at(server.url) as store:
        assert drive(found(store, "s-1"))


def test_each_number_is_a_store_of_its_own(server: ValkeyServer) -> None:
    one, two = server.url, server.url.replace("/0", "/1")
    with store_at(one) as first, store_at(two) as second:
        drive(opened(first, a_session()))
        assert drive(second.look_up("s-1")) is None


def test_of_several_hosts_the_first_may_be_away() -> None:
    """When a process begins, and the others tell of the whole cluster."""
    with empty_valkey(cluster=True) as url, store_at(url) as whole:
        drive(opened(whole, a_session()))
        with store_at(url.replace("redis://", "redis://127.0.0.1:9,")) as store:
            assert drive(found(store, "s-1"))


@pytest.mark.parametrize("path", ["", "/0"])
def test_what_is_asked_for_is_asked_for_of_every_host(path: str) -> None:
    """Also where no number stands before it: a certificate's authority belongs to all of them."""
    address = Address(f"rediss://ann:word@one,two:7000,three{path}?ssl_ca_certs=ca.pem")
    layout = Layout(is_cluster=True, ranges=((0, 1, ("four", 1)),))
    with address.client(("four", 1), layout) as client:
        another = client.connection_pool.connection_kwargs
    for told in [*address._settings, another]:  # noqa: SLF001 - nobody listens at these
        assert (told["username"], told["password"]) == ("ann", "word")
        assert told["ssl_ca_certs"] == "ca.pem"
    hosts = [(each["host"], each["port"]) for each in address._settings]  # noqa: SLF001 - as above
    assert hosts == [("one", 6379), ("two", 7000), ("three", 6379)]


def test_several_hosts_that_are_no_cluster_are_refused(server: ValkeyServer) -> None:
    """They would be two stores, and which one is used would depend on which one answers."""
    with pytest.raises(ConfigurationError, match="Name one host"):
        RedisStore(f"redis://127.0.0.1:9,127.0.0.1:{server.port}/0")


@pytest.mark.parametrize("cluster", [False, True])
def test_another_process_is_heard_of(*, cluster: bool) -> None:
    """Within milliseconds, so that its revocations are known here before the next read is due."""
    with empty_valkey(cluster=cluster) as url, store_at(url) as here, store_at(url) as there:
        here.wait(here.hint(), 0.3)
        hint = here.hint()
        assert drive(there.commit(Commit(moves_feed=True)))
        assert here.wait(hint, 5)
        assert here.hint() != hint


def until_it_says(store: RedisStore, said: str) -> None:
    """said: why it cannot know, or nothing when it does."""
    for _ in range(500):
        time.sleep(0.01)
        try:
            drive(store.look_up("s-1"))
        except StoreUnavailable as why:
            if said and said in why.detail:
                return
        else:
            if not said:
                return
    pytest.fail(f"it does not say {said!r}")


@contextlib.contextmanager
def encrypted(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """The port at which a server that has no TLS is reached with it alone."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed when the block is left
            while True:
                came, _ = listening.accept()
                threading.Thread(target=answer, args=(came,), daemon=True).start()

    def answer(came: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)) as on,
            context.wrap_socket(came, server_side=True) as inside,
        ):
            while asked := inside.recv(65_536):
                on.sendall(asked)
                inside.sendall(on.recv(65_536))
                while select.select([on], [], [], 0.01)[0] and (told := on.recv(65_536)):
                    inside.sendall(told)

    with listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
