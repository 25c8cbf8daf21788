"""Refreshing when everything happens at once, when an answer is lost, and when a thief is there."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import live

PARALLEL = 50
CLIENTS = ["api", "partner", "web", "spa", "phone"]


def trail(admin: live.Device, device: live.Device) -> list[dict[str, Any]]:
    """What happened to a session, oldest first."""
    answer = admin.call("GET", f"/v1/admin/events?subject={device.person.subject}&limit=1000")
    events: list[dict[str, Any]] = answer.json["events"]
    return [each for each in reversed(events) if each["session_id"] == device.session_id]


def kinds(admin: live.Device, device: live.Device) -> list[str]:
    return [each["kind"] for each in trail(admin, device)]


def refreshed(device: live.Device) -> tuple[int, str]:
    """The status of one refresh, and the handle that it brought."""
    copy = live.Device(
        device.person,
        device.client_id,
        device.session_id,
        token=device.token,
        handle=device.handle,
        cookies=dict(device.cookies),
    )
    status = copy.refresh().status
    handle = copy.handle or copy.token or list(copy.cookies.values())[-1]
    return status, handle


@pytest.mark.parametrize("client_id", CLIENTS)
def test_fifty_refreshes_at_once_give_one_successor(
    site: live.Site, admin: live.Device, client_id: str
) -> None:
    """All 50 are answered with the same successor, and nobody is signed out."""
    device = site.person().sign_in(client_id)
    together = threading.Barrier(PARALLEL)

    def one(_: int) -> tuple[int, str]:
        together.wait()
        return refreshed(device)

    with ThreadPoolExecutor(PARALLEL) as threads:
        answers = list(threads.map(one, range(PARALLEL)))
    assert {status for status, _ in answers} == {200}
    assert len({handle for _, handle in answers}) == 1
    assert kinds(admin, device).count("session_refreshed") == 1
    assert kinds(admin, device).count("refresh_repeated") == PARALLEL - 1
    assert device.refresh().status == 200
    assert device.who().status == 200


@pytest.mark.parametrize("client_id", ["brief", "brief-web"])
def test_a_spent_handle_after_its_grace_ends_the_family(
    site: live.Site, admin: live.Device, client_id: str
) -> None:
    """Whoever uses it, thief or owner, both are out; the trail says why."""
    device = site.person().sign_in(client_id)
    handle, cookies = device.handle, dict(device.cookies)
    assert device.refresh().status == 200
    time.sleep(1.05)
    assert device.refresh().status == 200
    thief = live.Device(device.person, client_id, device.session_id, handle=handle, cookies=cookies)
    answer = thief.refresh()
    assert (answer.status, answer.code) == (401, "refresh_reused")
    assert not answer.set_cookies()
    assert [device.who().code, device.refresh().code] == ["session_revoked"] * 2
    last = trail(admin, device)[-1]
    assert last["kind"] == "refresh_reused"
    assert last["detail"] == {"because": "refresh_reused", "generation": 0, "current": 2}


@pytest.mark.parametrize("client_id", ["api", "partner", "spa", "web"])
def test_a_lost_reply_can_be_asked_for_again(
    site: live.Site, admin: live.Device, client_id: str
) -> None:
    """The socket drops before the answer is read; the same handle then yields what was lost."""
    device = site.person().sign_in(client_id)
    body = json.dumps({"refresh_handle": device.handle}).encode() if device.handle else b""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    headers |= device.headers() if device.cookies else {}
    lines = [f"{name}: {value}" for name, value in {"Host": "localhost", **headers}.items()]
    head = "\r\n".join(["POST /v1/session/refresh HTTP/1.1", *lines, "", ""])
    wire = socket.create_connection(("127.0.0.1", site.port))
    # Reset, so that what the server has written is thrown away by the kernel.
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.sendall(head.encode() + body)
    live.until(lambda: "session_refreshed" in kinds(admin, device))
    wire.close()

    assert device.refresh().status == 200
    assert kinds(admin, device)[-1] == "refresh_repeated"
    assert device.refresh().status == 200
    assert device.who().status == 200


def test_a_spent_handle_walks_to_the_current_one(site: live.Site) -> None:
    """Within grace the first of three handles yields the third: nothing is forked."""
    device = site.person().sign_in("api")
    first = device.handle
    device.refresh()
    device.refresh()
    third = device.handle
    late = live.Device(device.person, "api", device.session_id, handle=first)
    assert late.refresh().status == 200
    assert late.handle == third


def test_a_refresh_and_a_sign_out_at_once_end_signed_out(site: live.Site) -> None:
    """Whichever comes first, no credential of the session is good afterwards."""
    for _ in range(10):
        device = site.person().sign_in("api")
        headers = device.headers()
        answers: list[live.Answer] = []
        refreshing = threading.Thread(target=lambda d=device, a=answers: a.append(d.refresh()))
        refreshing.start()
        assert site.call("DELETE", "/v1/session", headers=headers).json["revoked"] == 1
        refreshing.join()
        assert answers[0].status in {200, 401}
        assert device.who().code == "session_revoked"
        assert device.refresh().code == "session_revoked"


def test_a_handle_renews_for_its_own_client_only(site: live.Site) -> None:
    """Named with another client, or sent as another's cookie, it is refused and still good."""
    device = site.person().sign_in("api")
    spa = site.person().sign_in("spa")
    handle = spa.cookies["__Host-cf_spa_r"]
    sent = {"refresh_handle": device.handle, "client_id": "other"}
    assert site.call("POST", "/v1/session/refresh", sent).code == "refresh_unknown"
    for cookie in (f"__Host-cf_kiosk_r={handle}", f"__Host-cf_spa_r={device.handle}"):
        answer = site.call("POST", "/v1/session/refresh", headers={"Cookie": cookie})
        assert (answer.status, answer.code) == (401, "refresh_unknown"), answer
    answer = site.call("POST", "/v1/session/refresh", {"refresh_handle": handle})
    assert (answer.status, answer.code) == (401, "credential_malformed")
    assert [device.refresh().status, spa.refresh().status] == [200, 200]


def test_the_loser_of_a_race_keeps_its_cookies(site: live.Site) -> None:
    """No refusal of a refresh clears a cookie: another tab may have just replaced it."""
    device = site.person().sign_in("spa")
    handle = device.cookies["__Host-cf_spa_r"]
    other = "A" if handle[-1] != "A" else "B"
    forged = {**device.cookies, "__Host-cf_spa_r": handle[:-1] + other}
    lost = live.Device(device.person, "spa", device.session_id, cookies=forged)
    answer = lost.refresh()
    assert answer.status == 401
    assert answer.set_cookies() == []
    assert device.refresh().status == 200
