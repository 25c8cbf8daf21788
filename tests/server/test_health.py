"""Alive, and ready: what each means, and that asking never takes long."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.server.operations import readiness

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server of the test's own."""
    with live.serving(tmp_path_factory.mktemp("ailing") / "data") as site:
        yield site


def refused(site: live.Site, code: str) -> bool:
    """Whether it lives, is not ready, and says so as 503 with the time to wait."""
    answer = site.call("GET", "/readyz")
    assert (answer.status, answer.code) == (503, code)
    assert answer.header("retry-after") == "1"
    return site.call("GET", "/livez").status == 200


def test_a_server_that_answers_is_alive_and_ready(site: live.Site) -> None:
    """Both say so in one word."""
    assert site.call("GET", "/livez").json == {"status": "alive"}
    assert site.call("GET", "/readyz").json == {"status": "ready"}


def test_without_its_store_it_is_not_ready(ailing: live.Site) -> None:
    """It lives all the same: to start it anew would mend nothing."""
    assert ailing.server is not None
    ailing.server.store.rows.database.close()
    assert refused(ailing, "store_unavailable")


def test_a_store_that_hangs_does_not_hang_the_answer(
    ailing: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not ready after WITHIN, however many ask; one thread waits, no more; then ready again."""
    monkeypatch.setattr(readiness, "WITHIN", 0.2)
    assert ailing.call("GET", "/readyz").status == 200
    assert ailing.server is not None
    before = threading.active_count()
    database: Any = ailing.server.store.rows.database
    with database._opening:  # noqa: SLF001 - no thread gets a connection
        began = time.monotonic()
        for _ in range(4):
            assert refused(ailing, "store_unavailable")
        assert 0.8 <= time.monotonic() - began < live.PATIENCE / 2
        assert threading.active_count() <= before + 1
    live.until(lambda: ailing.call("GET", "/readyz").status == 200)


def test_keys_that_cannot_be_relied_on_are_told_as_503(ailing: live.Site) -> None:
    """A file that broke is remembered for a while; then nobody is sent here."""
    assert ailing.server is not None
    keys: Any = ailing.server.keys
    keys._home.keys._keys._max_age = 1.0  # noqa: SLF001 - nobody waits for an hour
    assert ailing.call("GET", "/readyz").status == 200
    (ailing.data / "keys" / "signing-keys.json").write_text("{")
    live.until(lambda: ailing.call("GET", "/readyz").status == 503)
    assert refused(ailing, "keys_stale")


def test_a_server_that_stops_is_not_ready(ailing: live.Site) -> None:
    """Nobody should be sent here; who comes is answered, and told to close the connection."""
    assert ailing.server is not None
    device = ailing.person().sign_in("web")
    ailing.server.readiness.drain()
    assert refused(ailing, "issuer_unavailable")
    answer = device.who()
    assert (answer.status, answer.header("connection")) == (200, "close")


def test_what_is_held_is_ended_once_nothing_new_is_accepted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """In the loop, and not while it still drains: then all is answered as before."""
    ended: list[bool] = []
    with live.serving(tmp_path_factory.mktemp("held") / "data") as site:
        assert site.server is not None
        readiness = site.server.readiness
        readiness.on_drained(lambda: ended.append(asyncio.get_running_loop().is_running()))
        readiness.drain()
        assert site.call("GET", "/livez").status == 200
        assert ended == []
    assert ended == [True]


def test_a_full_queue_of_passwords_does_not_send_everybody_away(ailing: live.Site) -> None:
    """A storm of sign-ins is answered 503 by itself; who is signed in is served."""
    assert ailing.server is not None
    hasher = ailing.server.hasher
    held = hasher._pending  # noqa: SLF001 - as full as it gets
    hasher._pending = hasher._most  # noqa: SLF001 - as above
    try:
        assert live.Person(ailing, "somebody", live.PASSWORD, "").try_sign_in().status == 503
        assert ailing.call("GET", "/readyz").status == 200
    finally:
        hasher._pending = held  # noqa: SLF001 - as above
