"""The server is killed right after it acknowledged something, and started again."""

from __future__ import annotations

import random
import threading
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

import live

if TYPE_CHECKING:
    from pathlib import Path

SESSIONS = 60
AGAIN = "moles paint nine tin umbrellas"


def kill(running: live.Process) -> None:
    running.kill()
    running.wait(live.PATIENCE)


def test_nothing_acknowledged_is_missing_after_kill_nine(tmp_path: Path) -> None:
    """One life of the server for each act: what was acknowledged last is there in the next."""
    data = tmp_path / "data"
    with live.process(data) as (site, running):
        port, password = site.port, site.demo_password
        person = site.person()
        web, api, partner = (person.sign_in(each) for each in ("web", "api", "partner"))
        kill(running)

    with live.process(data, port=port) as (site, running):
        assert site.demo_password == password
        assert [each.who().status for each in (web, api, partner)] == [200] * 3
        spent = live.Device(person, "api", api.session_id, handle=api.handle)
        assert api.refresh().status == 200
        kill(running)

    with live.process(data, port=port) as (site, running):
        assert api.who().status == 200
        assert spent.refresh().status == 200
        assert spent.handle == api.handle, "the successor survives, and is the same"
        assert api.call("DELETE", f"/v1/sessions/{web.session_id}").json["revoked"] == 1
        kill(running)

    with live.process(data, port=port) as (site, running):
        assert web.who().code == "session_revoked"
        account = f"/v1/admin/accounts/{person.subject}"
        assert site.administrator().call("PATCH", account, {"roles": ["editor"]}).status == 200
        kill(running)

    with live.process(data, port=port) as (site, running):
        assert api.who().code == "claims_stale", "the status list survives"
        assert api.refresh().status == 200
        assert api.who().json["claims"] == {"roles": ["editor"]}
        assert site.administrator().call("PATCH", account, {"state": "suspended"}).status == 200
        kill(running)

    with live.process(data, port=port) as (site, running):
        assert [api.who().code, partner.refresh().code] == ["subject_suspended"] * 2
        assert site.administrator().call("PATCH", account, {"state": "active"}).status == 200
        changed = {"current": person.password, "new": AGAIN}
        assert api.call("POST", "/v1/account/password", changed).json["revoked"] == 1
        kill(running)

    with live.process(data, port=port):
        assert [web.who().code, partner.refresh().code] == ["session_revoked"] * 2
        assert person.try_sign_in().code == "sign_in_refused"
        assert person.try_sign_in(password=AGAIN).status == 201
        assert api.who().status == 200


@pytest.mark.parametrize("seed", range(2))
def test_no_acknowledged_end_is_lost_when_the_server_dies_under_load(
    tmp_path: Path, seed: int
) -> None:
    """Killed amid sign-outs and refreshes: each one that was acknowledged has happened."""
    data = tmp_path / "data"
    ended: list[live.Device] = []
    renewed: list[live.Device] = []
    with live.process(data) as (site, running):
        person, port = site.person(), site.port
        devices = [person.sign_in("api") for _ in range(SESSIONS)]
        enough = threading.Event()

        def act(mine: list[live.Device]) -> None:
            for number, device in enumerate(mine):
                try:
                    if number % 2 and device.refresh().status == 200:
                        renewed.append(device)
                    elif not number % 2 and device.sign_out().json["revoked"] == 1:
                        ended.append(device)
                except (OSError, HTTPException, ValueError, AssertionError):
                    return  # the server died before it could answer
                if len(ended) + len(renewed) >= wanted:
                    enough.set()

        wanted = random.Random(seed).randrange(5, SESSIONS // 2)  # noqa: S311 - no secret
        threads = [threading.Thread(target=act, args=(devices[part::6],)) for part in range(6)]
        for thread in threads:
            thread.start()
        assert enough.wait(live.PATIENCE)
        kill(running)
        for thread in threads:
            thread.join()

    assert ended
    assert renewed
    with live.process(data, port=port):
        assert {each.who().code for each in ended} == {"session_revoked"}
        assert {each.refresh().code for each in ended} == {"session_revoked"}
        assert {each.who().status for each in renewed} == {200}
        assert {each.refresh().status for each in renewed} == {200}
