"""Several nodes of one issuer on one PostgreSQL, with their sessions there or in a Valkey cluster:
what is done at one holds at the others."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import live
from counterfoil import Verifier
from engines.valkey import url_of
from postgresql import new_schema, postgres_server
from valkeys import empty_valkey, valkey_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engines.postgres import PostgresServer


class Nodes(NamedTuple):
    one: live.Site
    two: live.Site
    processes: tuple[live.Process, live.Process]

    def at_two(self, device: live.Device) -> live.Answer:
        """What the other node says to a device of the first."""
        return self.two.call("GET", "/v1/session", headers=device.headers())


def nodes_on(url: str, folder: Path, stack: ExitStack, *, sessions: str = "") -> Nodes:
    secret = folder / "secret"
    secret.write_text("the secret that each node is given\n")
    settings: dict[str, Any] = {"store": url, "secret_file": str(secret), "sessions": sessions}
    one, first = stack.enter_context(live.process(folder / "one", **settings))
    two, second = stack.enter_context(live.process(folder / "two", issuer=one.url, **settings))
    return Nodes(one, two, (first, second))


@pytest.fixture(scope="module", params=["postgres", "cluster"])
def nodes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nodes]:
    with new_schema() as url, ExitStack() as stack:
        is_apart = request.param == "cluster"
        sessions = stack.enter_context(empty_valkey(cluster=True)) if is_apart else ""
        yield nodes_on(url, tmp_path_factory.mktemp("nodes"), stack, sessions=sessions)


@pytest.mark.parametrize("client_id", ["web", "api", "partner", "phone", "spa"])
def test_who_signs_in_at_one_node_is_known_at_the_other_at_once(
    nodes: Nodes, client_id: str
) -> None:
    """Whatever the strategy: no sticky sessions. Also by a token of a list that the other node has
    not heard of yet."""
    device = nodes.one.person().sign_in(client_id)
    assert nodes.at_two(device).status == 200
    if client_id != "partner":
        device.person.site = nodes.two
        assert device.refresh().status == 200
        device.person.site = nodes.one
        assert device.who().status == 200


@pytest.mark.parametrize("client_id", ["web", "api", "phone", "spa"])
def test_who_is_signed_out_at_one_node_is_refused_at_the_other(
    nodes: Nodes, client_id: str
) -> None:
    """At its next call; a hybrid token too where the machine is not busy, since the acknowledgement
    leaves the others a moment, and in any case long before its bound."""
    device = nodes.one.person().sign_in(client_id)
    headers = device.headers()
    assert nodes.at_two(device).status == 200
    assert device.sign_out().status == 200
    within = 2.0 if client_id in {"api", "spa"} else 0.0

    def is_refused() -> bool:
        return nodes.two.call("GET", "/v1/session", headers=headers).code == "session_revoked"

    assert is_refused() or within
    live.until(is_refused, patience=within or live.PATIENCE)


def test_a_key_that_is_rotated_at_one_node_signs_at_the_other(nodes: Nodes) -> None:
    """And no honest token is refused meanwhile, whichever node has signed it."""
    admin, person = nodes.one.administrator(), nodes.one.person()
    before = person.sign_in("api")
    keys = admin.call("GET", "/v1/admin/keys").json["keys"]
    [active] = [key["kid"] for key in keys if is_token_key(key, "active")]
    distrusted = admin.call("POST", f"/v1/admin/keys/{active}/distrust")
    assert distrusted.status == 200, distrusted
    live.until(lambda: nodes.at_two(before).status == 401, patience=5)
    after = person.sign_in("api")
    assert nodes.at_two(after).status == 200
    person.site = nodes.two
    assert (
        nodes.one.call("GET", "/v1/session", headers=person.sign_in("api").headers()).status == 200
    )


def test_a_node_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    """All it acknowledged is known at the other one."""
    with new_schema() as url, ExitStack() as stack:
        kill_one(nodes_on(url, tmp_path, stack))


def kill_one(nodes: Nodes) -> None:
    device, other = nodes.one.person().sign_in("web"), nodes.one.person().sign_in("web")
    assert other.sign_out().status == 200
    nodes.processes[0].kill()
    assert nodes.at_two(device).status == 200
    assert nodes.two.call("GET", "/v1/session", headers=other.headers()).status == 401


def test_nodes_that_start_at_once_on_an_empty_database_all_serve(tmp_path: Path) -> None:
    """Tables, clients, keys and the demo account are made once, by whoever is first."""
    with new_schema() as url, ThreadPoolExecutor(3) as threads:
        secret = tmp_path / "secret"
        secret.write_text("the secret that each node is given\n")

        def serve(number: int) -> str | None:
            with live.process(tmp_path / str(number), store=url, secret_file=str(secret)) as (
                site,
                _,
            ):
                assert site.call("GET", "/readyz").status == 200
                time.sleep(1)
                return site.demo_password

        passwords = list(threads.map(serve, range(3)))
    assert sum(password is not None for password in passwords) == 1


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def test_a_database_that_is_gone_stops_sessions_and_nothing_else(
    database: PostgresServer, tmp_path: Path
) -> None:
    """`session` cannot know, `hybrid` goes on for its bound at a node and at a verifier, `jwt` to
    its expiry; all are back by themselves."""
    with ExitStack() as stack:
        url = stack.enter_context(new_schema(database.url))
        nodes = nodes_on(url, tmp_path, stack)
        person = nodes.one.person()
        devices = {name: person.sign_in(name) for name in ("phone", "api", "partner")}
        verifier = stack.enter_context(Verifier(issuer=nodes.one.url, audience="api"))
        verifier.check(devices["api"].token)
        database.kill()
        began = time.monotonic()

        def codes() -> dict[str, str]:
            return {name: nodes.at_two(device).code for name, device in devices.items()}

        live.until(lambda: codes()["phone"] == "store_unavailable", patience=8)
        assert codes() == {"phone": "store_unavailable", "api": "", "partner": ""}
        verifier.check(devices["api"].token)
        live.until(lambda: codes()["api"] == "status_stale", patience=15)
        assert time.monotonic() - began < 12
        assert codes()["partner"] == ""
        database.start()
        live.until(lambda: set(codes().values()) == {""}, patience=5)
        live.until(lambda: passes(verifier, devices["api"].token), patience=8)
        assert devices["phone"].sign_out().status == 200


def test_a_master_that_is_gone_takes_its_sessions_along_and_no_others(tmp_path: Path) -> None:
    """Until it is back, with all that it acknowledged; verifiers go on for their bound."""
    with ExitStack() as stack:
        url, masters = stack.enter_context(new_schema()), stack.enter_context(valkey_cluster())
        nodes = nodes_on(url, tmp_path, stack, sessions=url_of(masters))
        people = [nodes.one.person() for _ in range(12)]
        devices = [person.sign_in("phone") for person in people]
        ended = [person.sign_in("phone") for person in people]
        tokens = [person.sign_in("api") for person in people]
        for device in ended:
            assert device.sign_out().status == 200
        masters[1].kill()

        def codes(asked: list[live.Device]) -> set[str]:
            return {nodes.at_two(device).code for device in asked}

        live.until(lambda: codes(devices) == {"", "store_unavailable"}, patience=8)
        assert codes(tokens) == {""}
        assert codes(ended) <= {"session_revoked", "store_unavailable"}
        live.until(lambda: codes(tokens) == {"status_stale"}, patience=15)
        masters[1].start()
        live.until(lambda: codes([*devices, *tokens]) == {""}, patience=15)
        assert codes(ended) == {"session_revoked"}


def passes(verifier: Verifier, token: str) -> bool:
    try:
        verifier.check(token)
    except Exception:  # noqa: BLE001 - whatever it says, it does not pass
        return False
    return True


def is_token_key(key: dict[str, str], state: str) -> bool:
    return (key["algorithm"], key["purpose"], key["state"]) == ("ES256", "tokens", state)
