"""What is counted, who may read it, and that it tells nobody who was here."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

import live
from counterfoil.errors import ConfigurationError
from counterfoil.server.operations.metrics import of_worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"}
FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server on which nobody else acts: what is counted there is ours."""
    with live.serving(tmp_path_factory.mktemp("counted") / "data") as site:
        yield site


class Counts:
    """What has been counted since."""

    def __init__(self, site: live.Site) -> None:
        self._site = site
        self._before = self._read()

    def _read(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        told = self._site.call("GET", "/metrics")
        assert told.status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_format(told.raw.decode())
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return self._read().get(key, 0.0) - self._before.get(key, 0.0)


def read(site: live.Site, name: str) -> float:
    """A gauge without labels."""
    lines = site.call("GET", "/metrics").raw.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@pytest.mark.parametrize(
    ("client_id", "strategy", "look_ups"),
    [("web", "session", 1), ("api", "hybrid", 0), ("partner", "jwt", 0)],
)
def test_a_session_is_looked_up_at_each_check_and_a_token_never(
    counted: live.Site, client_id: str, strategy: str, look_ups: int
) -> None:
    """One call of the store a check for `session`, none at all for `hybrid` and `jwt`."""
    device = counted.person().sign_in(client_id)
    device.who()
    counts = Counts(counted)
    for _ in range(5):
        assert device.who().status == 200
    assert counts("counterfoil_checks_total", strategy=strategy, result="accepted") == 5
    assert counts("counterfoil_store_calls_total", call="look_up") == 5 * look_ups
    assert counts("counterfoil_store_seconds_count", call="look_up") == 5 * look_ups
    for call in ("subject", "client", "sessions", "commit", "note", "touch"):
        assert counts("counterfoil_store_calls_total", call=call) == 0


def test_a_refused_check_is_counted_by_its_code_and_its_strategy_where_that_shows(
    counted: live.Site,
) -> None:
    """A cookie names its client, a handle is a session's, a revoked token has a status; what is
    nothing at all is `unknown`."""
    web, api = (counted.person().sign_in(each) for each in ("web", "api"))
    for device, strategy in ((web, "session"), (api, "hybrid")):
        kept = device.headers()
        assert device.sign_out().status == 200
        counts = Counts(counted)
        answer = counted.call("GET", "/v1/session", headers=kept)
        assert answer.code == "session_revoked"
        assert counts("counterfoil_checks_total", strategy=strategy, result=answer.code) == 1
    counts = Counts(counted)
    nothing = counted.call("GET", "/v1/session", headers={"Authorization": "Bearer x.y.z"})
    made_up = f"Bearer {api.handle[:-8]}AAAAAAAA"
    handle = counted.call("GET", "/v1/session", headers={"Authorization": made_up})
    assert counts("counterfoil_checks_total", strategy="unknown", result=nothing.code) == 1
    assert counts("counterfoil_checks_total", strategy="session", result=handle.code) == 1


def test_sign_ins_refreshes_and_revocations_are_counted_by_result(counted: live.Site) -> None:
    """Also those that did nothing; and what happened is counted as the trail has it."""
    person = counted.person()
    counts = Counts(counted)
    device = person.sign_in("api")
    assert person.try_sign_in(password=live.WRONG).status == 401
    spent = device.handle
    assert device.refresh().status == 200
    assert counted.call("POST", "/v1/session/refresh", {"refresh_handle": "cf_no"}).status >= 400
    kept = device.headers()
    assert device.sign_out().json["revoked"] == 1
    assert counted.call("DELETE", "/v1/session", headers=kept).json["revoked"] == 0
    assert spent != device.handle
    assert counts("counterfoil_sign_ins_total", result="accepted") == 1
    assert counts("counterfoil_sign_ins_total", result="sign_in_refused") == 1
    assert counts("counterfoil_refreshes_total", strategy="hybrid", result="accepted") == 1
    ended = {"call": "revoke_presented"}
    assert counts("counterfoil_revocations_total", **ended, result="ended") == 1
    assert counts("counterfoil_revocations_total", **ended, result="nothing") == 1
    assert counts("counterfoil_revocations_total", call="revoke", result="ended") == 0
    for kind in ("session_opened", "session_refreshed", "session_revoked", "sign_in_refused"):
        assert counts("counterfoil_events_total", kind=kind) == 1


def test_requests_are_counted_by_route_whatever_was_asked_for(counted: live.Site) -> None:
    """The template, never the address; unheard-of addresses and methods add no series each."""
    device = counted.person().sign_in("api")
    counted.call("PROPFIND", "/nothing-at-all")
    counted.call("GET", "/nothing-at-all")
    device.call("DELETE", "/v1/sessions/first")
    before = len(counted.call("GET", "/metrics").raw.splitlines())
    counts = Counts(counted)
    for number in range(20):
        counted.call("GET", f"/nothing/{number}")
        counted.call("REPORT" if number % 2 else "PROPFIND", f"/{number}")
        device.call("DELETE", f"/v1/sessions/{number}")
    assert len(counted.call("GET", "/metrics").raw.splitlines()) == before
    one = {"method": "DELETE", "route": "/v1/sessions/{session_id}", "status": "404"}
    assert counts("counterfoil_requests_total", **one) == 20
    none = {"method": "GET", "route": "none", "status": "404"}
    assert counts("counterfoil_requests_total", **none) == 20
    assert counts("counterfoil_request_seconds_count", route=one["route"]) == 20
    counted.call("HEAD", "/v1/session")
    head = {"method": "HEAD", "route": "/v1/session", "status": "401"}
    assert counts("counterfoil_requests_total", **head) == 1


def test_what_is_no_http_is_counted_too(counted: live.Site) -> None:
    """A refusal on the wire has no method and no route."""
    counts = Counts(counted)
    counted.raw(b"HELLO\r\n\r\n")
    wire = {"method": "none", "route": "none", "status": "400"}
    assert counts("counterfoil_requests_total", **wire) == 1


def test_no_label_holds_a_person(counted: live.Site) -> None:
    """Neither identifier nor subject, session, handle or token; nor an address."""
    person = counted.person()
    devices = [person.sign_in(each) for each in ("web", "api", "partner", "spa")]
    for device in devices:
        device.who()
        device.refresh()
        device.call("GET", f"/v1/sessions?{person.subject}")
        device.call("DELETE", f"/v1/sessions/{device.session_id}")
    counted.administrator().call("PATCH", f"/v1/admin/accounts/{person.subject}", {"roles": ["x"]})
    told = counted.call("GET", "/metrics").raw.decode()
    known = [person.identifier, person.subject, "127.0.0.1", live.PASSWORD]
    known += [text for device in devices for text in (*device.secrets, device.session_id)]
    assert [text for text in known if text in told] == []
    assert "/v1/admin/accounts/{subject}" in told


def test_it_is_told_in_both_formats_and_by_get_alone(counted: live.Site) -> None:
    """The text format, and OpenMetrics where that is asked for; HEAD as GET, the rest is 405; it
    is no call of the API."""
    plain = counted.call("GET", "/metrics")
    assert plain.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    asked = counted.call("GET", "/metrics", headers=OPENMETRICS)
    assert str(asked.header("content-type")).startswith("application/openmetrics-text; version=1")
    names = {family.name for family in openmetrics(asked.raw.decode())}  # type: ignore[no-untyped-call]  # theirs
    assert {"counterfoil_checks", "process_cpu_seconds", "counterfoil_loop_lag_seconds"} <= names
    assert b"_created{" not in plain.raw + asked.raw
    head = counted.call("HEAD", "/metrics")
    assert (head.status, head.raw) == (200, b"")
    assert counted.call("POST", "/metrics", b"").status == 405
    assert "/metrics" not in counted.call("GET", "/openapi.json").json["paths"]


def test_queues_and_ages_are_read_when_they_are_asked_for(counted: live.Site) -> None:
    """Nothing waits, the mirror is young once it is used, the keys were made just now and can be
    read."""
    assert counted.person().sign_in("api").who().status == 200
    assert read(counted, "counterfoil_password_queue") == 0
    assert read(counted, "counterfoil_store_queue") >= 0
    assert read(counted, "counterfoil_requests_in_flight") == 1
    assert read(counted, "counterfoil_status_age_seconds") < 5
    assert read(counted, "counterfoil_keys_age_seconds") < 5
    told = counted.call("GET", "/metrics").raw.decode()
    assert told.count("counterfoil_key_created_timestamp_seconds{") == 4


def test_key_files_that_cannot_be_read_grow_old_and_a_store_that_is_gone_fails(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What one would set an alert on. Asking goes on being answered."""
    with live.serving(tmp_path_factory.mktemp("ailing") / "data") as site:
        assert site.server is not None
        device = site.person().sign_in("phone")
        (site.data / "keys" / "signing-keys.json").write_text("{")
        live.until(lambda: read(site, "counterfoil_keys_age_seconds") > 0.2)
        counts = Counts(site)
        site.server.store.rows.database.close()
        assert device.who().code == "store_unavailable"
        assert counts("counterfoil_store_failures_total", call="look_up") == 1
        assert counts("counterfoil_checks_total", strategy="session", result=device.who().code) == 2


def test_only_the_machine_itself_may_read_it_by_default(site: live.Site) -> None:
    """What comes through a proxy comes for somebody else: there is nothing here for them."""
    assert site.call("GET", "/metrics").status == 200
    through = site.call("GET", "/metrics", headers=FORWARDED)
    assert (through.status, through.code) == (404, "not_found")
    assert site.call("GET", "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status == 404


def test_behind_a_trusted_proxy_the_client_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A client elsewhere is refused, one in a trusted network is not; what it claims of itself
    does not count."""
    trusted = ("127.0.0.1", "198.51.100.0/24")
    data = tmp_path_factory.mktemp("behind") / "data"
    with live.serving(data, trusted_proxies=trusted) as site:
        for client, status in {
            "203.0.113.9": 404,
            "127.0.0.1, 203.0.113.9": 404,
            "198.51.100.7": 200,
            "unknown": 200,  # then it is the proxy itself
        }.items():
            headers = {"X-Forwarded-For": client}
            assert site.call("GET", "/metrics", headers=headers).status == status, client


@pytest.mark.parametrize(("metrics", "status"), [("open", 200), ("off", 404)])
def test_it_may_be_opened_or_closed_to_all(
    tmp_path_factory: pytest.TempPathFactory, metrics: str, status: int
) -> None:
    """By a setting."""
    with live.serving(tmp_path_factory.mktemp(metrics) / "data", metrics=metrics) as site:
        assert site.call("GET", "/metrics").status == status
        assert site.call("GET", "/metrics", headers=FORWARDED).status == status


def test_a_worker_takes_the_room_to_count_in_before_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full later would kill it; so it does not start, and says which disk."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(ConfigurationError, match=f"^Make room in {tmp_path}: No space left"):
        of_worker(1, tmp_path)
