"""`?wait=true`: a revocation is answered once it holds at every verifier, whoever has confirmed."""

from __future__ import annotations

import http.client
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil import Verifier
from counterfoil.clock import SystemClock
from counterfoil.errors import StoreUnavailable
from counterfoil.outcome import Revoked
from counterfoil.server.api import verifiers
from counterfoil.server.tables.verifiers import Followers, NamedVerifier, VerifierRows
from counterfoil.server.verifiers import waiting
from counterfoil.server.verifiers.waiting import Spread, Waits, after
from counterfoil.status_change import Position
from programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

L = 1.0  # seconds
SESSIONS = "/v1/admin/sessions"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server whose verifiers may be a second behind, and one that follows it by name."""
    data = tmp_path_factory.mktemp("waited") / "data"
    with live.serving(data, max_staleness=timedelta(seconds=L)) as site:
        ours = program(site, "partner")
        with Verifier(issuer=site.url, audience="api", client=("partner", ours.secret)):
            yield site


def ended(site: live.Site, path: str) -> tuple[dict[str, Any], float]:
    """The answer, and how many seconds it took."""
    admin = site.administrator()
    began = time.monotonic()
    answer = admin.call("DELETE", SESSIONS + path)
    assert answer.status == 200, answer
    return answer.json, time.monotonic() - began


def test_it_is_answered_when_no_verifier_accepts_the_token_any_more(followed: live.Site) -> None:
    """After L and not before: nothing is left of the bound then. Who has said that it knows, and
    who has not and therefore refuses by itself, is told by name and process."""
    lagging = {"Authorization": program(followed, "phone").headers()["Authorization"]}
    query = f"/status/feed?nonce={'A' * 22}&verifier=lagging"
    assert followed.call("GET", query, headers=lagging).status == 200
    device = followed.person().sign_in("api")
    told, took = ended(followed, f"/{device.session_id}?wait=true")
    assert (told["revoked"], told["effective_within_seconds"]) == (1, 0)
    assert L <= took < L + 5
    assert 200 < told["elsewhere_within_seconds"] <= 300 - L
    assert [each["client_id"] for each in told["confirmed"]] == ["partner"]
    assert [each["process"] for each in told["unconfirmed"]] == ["lagging"]
    assert device.who().code == "session_revoked"


@pytest.mark.parametrize("path", ["?subject={0}&wait=true", "?client_id=api&wait=1"])
def test_all_sessions_of_somebody_are_waited_for_too(followed: live.Site, path: str) -> None:
    """Of a subject and of a client."""
    person = followed.person()
    person.sign_in("api")
    told, took = ended(followed, path.format(person.subject))
    assert (told["revoked"] >= 1, told["effective_within_seconds"]) == (True, 0)
    assert took >= L


def test_where_the_record_is_read_there_is_nothing_to_wait_for(followed: live.Site) -> None:
    """L of `session` is 0, so it is answered at once, and nobody has to confirm anything."""
    device = followed.person().sign_in("web")
    told, took = ended(followed, f"/{device.session_id}?wait=true")
    assert (told["effective_within_seconds"], told["confirmed"], told["unconfirmed"]) == (0, [], [])
    assert took < L


def test_a_jwt_is_waited_for_no_longer_than_verifiers_may_lag(
    followed: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No verifier can learn that it was revoked: what is left of its life is said."""
    monkeypatch.setattr(verifiers, "longest_staleness", lambda _: timedelta(seconds=L))
    device = followed.person().sign_in("partner")
    told, took = ended(followed, f"/{device.session_id}?wait=true")
    assert L <= took < L + 5
    assert 200 < told["effective_within_seconds"] <= 300 - L
    assert told["effective_within_seconds"] == told["elsewhere_within_seconds"]


def test_a_repeat_waits_as_well(followed: live.Site) -> None:
    """It ended nothing, and the tokens of before are good for as long as the bound says."""
    device = followed.person().sign_in("api")
    ended(followed, f"/{device.session_id}")
    told, took = ended(followed, f"/{device.session_id}?wait=true")
    assert (told["revoked"], told["effective_within_seconds"]) == (0, 0)
    assert took >= L


def test_without_it_nothing_is_waited_for_and_nobody_named(followed: live.Site) -> None:
    """The answer is that of before; what is no truth value is refused, and nothing was ended."""
    device = followed.person().sign_in("api")
    refused = followed.administrator().call("DELETE", f"{SESSIONS}/{device.session_id}?wait=maybe")
    assert refused.code == "malformed"
    assert device.who().status == 200
    told, took = ended(followed, f"/{device.session_id}?wait=false")
    assert took < L
    assert "confirmed" not in told
    assert told["effective_within_seconds"] == 1


def test_who_waits_holds_up_nobody(followed: live.Site) -> None:
    """Many at once take no longer than one, and everybody else is answered meanwhile."""
    admin = followed.administrator()
    ids = [followed.person().sign_in("api").session_id for _ in range(20)]

    def end(session_id: str) -> int:
        return admin.call("DELETE", f"{SESSIONS}/{session_id}?wait=true").status

    began = time.monotonic()
    with ThreadPoolExecutor(len(ids)) as pool:
        waiting = [pool.submit(end, each) for each in ids]
        assert followed.call("GET", "/livez").status == 200
        assert not any(each.done() for each in waiting)
        assert {each.result() for each in waiting} == {200}
    assert time.monotonic() - began < len(ids) * L / 2


def test_a_store_that_goes_away_meanwhile_takes_nothing_back(
    followed: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The revocation is committed and time goes by all the same; who has heard is not known."""

    async def away(*_: object, **__: object) -> Followers:
        raise StoreUnavailable

    monkeypatch.setattr(VerifierRows, "followers", away)
    device = followed.person().sign_in("api")
    told, took = ended(followed, f"/{device.session_id}?wait=true")
    assert (told["revoked"], told["effective_within_seconds"]) == (1, 0)
    assert took >= L
    assert "confirmed" not in told


def test_a_server_that_stops_says_what_is_left(tmp_path: Path) -> None:
    """The revocation is committed, and the answer never says otherwise: 200, with the time that is
    left until it holds everywhere."""
    with live.process(tmp_path / "data") as (site, running), ThreadPoolExecutor() as pool:
        device = site.person().sign_in("api")
        admin = site.administrator()
        path = f"{SESSIONS}/{device.session_id}?wait=true"
        waiting = pool.submit(admin.call, "DELETE", path)
        live.until(lambda: device.who().status == 401)
        running.send_signal(signal.SIGTERM)
        answer = waiting.result(live.PATIENCE)
        assert (answer.status, answer.json["revoked"]) == (200, 1)
        assert 5 <= answer.json["effective_within_seconds"] <= 10
        assert answer.json["confirmed"] == []
        running.wait(live.PATIENCE)


def test_who_goes_away_is_not_waited_for(site: live.Site) -> None:
    """A connection that was closed costs nothing from then on."""
    device = site.person().sign_in("api")
    token = site.administrator().headers()
    gone = http.client.HTTPConnection("127.0.0.1", site.port)
    gone.request("DELETE", f"{SESSIONS}/{device.session_id}?wait=true", headers=token)
    live.until(lambda: device.who().status == 401)
    assert under_way(site) == 2
    gone.close()
    live.until(lambda: under_way(site) == 1, patience=5)


def under_way(site: live.Site) -> float:
    lines = site.call("GET", "/metrics").raw.decode().splitlines()
    name = "counterfoil_requests_in_flight "
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past that the answer comes at once, with what is left."""
    monkeypatch.setattr(waiting, "MOST_WAITING", 0)
    clock = SystemClock()

    async def receive() -> Any:
        raise AssertionError

    await Waits(clock).until(clock.uptime() + 60, receive)


def test_time_that_goes_by_is_taken_off_the_bounds() -> None:
    """Down to nothing."""
    done = Revoked(
        count=1,
        effective_within=timedelta(seconds=10),
        elsewhere_within=timedelta(seconds=200),
        ended_at=AT,
    )
    left = after(done, 60.5)
    assert left.effective_within == timedelta(0)
    assert left.elsewhere_within == timedelta(seconds=139.5)
    assert (left.count, left.ended_at) == (1, AT)


def test_who_has_confirmed_once_has_confirmed() -> None:
    """And who has not, and is seen no more, is still told of; another epoch's position is none."""
    here = NamedVerifier(
        client_id="billing",
        process="a",
        position=Position("e", 6),
        seen_at=AT,
        connected_since=AT,
        waits=True,
    )
    other = replace(here, process="b", position=Position("before", 99))
    spread = Spread()
    spread.look(Followers((here, other), 0, Position("e", 7)))
    assert [each.process for each in spread.unconfirmed.values()] == ["a", "b"]
    moved = replace(here, position=Position("e", 8))
    spread.look(Followers((moved,), 0, Position("e", 30)))
    spread.look(Followers((), 0, Position("e", 30)))
    assert [*spread.confirmed.values()] == [moved]
    assert [*spread.unconfirmed.values()] == [other]
