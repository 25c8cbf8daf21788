"""Passwords: registering, guessing, confirming, changing."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import live
from counterfoil.errors import Overloaded
from counterfoil.server.accounts import MOST_REGISTERING
from counterfoil.server.passwords.hashing import CHEAPEST, PasswordHasher, PasswordMatches

if TYPE_CHECKING:
    from pathlib import Path


class Gated(PasswordHasher):
    """Tells when a password was found right, and waits before it says so."""

    def __init__(self) -> None:
        super().__init__(CHEAPEST, threads=2)
        self.gated = False
        self.matched = threading.Event()
        self.go_on = threading.Event()

    async def verify(self, encoded: str | None, password: str) -> PasswordMatches:
        answer = await super().verify(encoded, password)
        if self.gated:
            self.gated = False
            self.matched.set()
            await asyncio.to_thread(self.go_on.wait, live.PATIENCE)
        return answer


class Full(PasswordHasher):
    """A queue that has no room while `full`."""

    def __init__(self) -> None:
        super().__init__(CHEAPEST, threads=2)
        self.full = False

    async def verify(self, encoded: str | None, password: str) -> PasswordMatches:
        if self.full:
            raise Overloaded(retry_after=5 * live.SECOND)
        return await super().verify(encoded, password)


def change(device: live.Device, current: str, new: str) -> live.Answer:
    return device.call("POST", "/v1/account/password", {"current": current, "new": new})


def step_up(device: live.Device, password: str) -> live.Answer:
    return device.call("POST", "/v1/session/step-up", {"password": password})


def test_registration_refuses_a_taken_name_and_a_weak_password(site: live.Site) -> None:
    """409 for an identifier that exists, in any case; 422 with a reason for a weak password."""
    person = site.person()
    for identifier in (person.identifier, person.identifier.upper()):
        sent = {"identifier": identifier, "password": live.OTHER}
        answer = site.call("POST", "/v1/accounts", sent)
        assert (answer.status, answer.code) == (409, "identifier_taken")
    for weak in ("a" * 14, "correcthorsebatterystaple" * 20, "aaaaaaaaaaaaaaaaaaaa"):
        sent = {"identifier": "somebody-else", "password": weak}
        answer = site.call("POST", "/v1/accounts", sent)
        assert (answer.status, answer.code) == (422, "password_refused")
        assert weak not in answer.raw.decode()


def test_two_who_register_one_name_at_once_cannot_both_have_it(site: live.Site) -> None:
    """Of ten at once one is given the account, nine are told that it is taken."""
    sent = {"identifier": "wanted@example.org", "password": live.PASSWORD}
    with ThreadPoolExecutor(10) as threads:
        answers = threads.map(lambda _: site.call("POST", "/v1/accounts", sent), range(10))
        assert sorted(each.status for each in answers) == [201] + [409] * 9


def test_closed_registration_refuses_and_signing_in_goes_on(tmp_path: Path) -> None:
    """403 registration_closed, and no account was made."""
    with live.serving(tmp_path / "data", registration="closed") as site:
        sent = {"identifier": "late@example.org", "password": live.PASSWORD}
        answer = site.call("POST", "/v1/accounts", sent)
        assert (answer.status, answer.code) == (403, "registration_closed")
        sent["client_id"] = "api"
        assert site.call("POST", "/v1/sessions", sent).code == "sign_in_refused"
        assert site.administrator().who().status == 200


def test_a_crowd_that_registers_keeps_nobody_from_signing_in(
    site: live.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a quarter of the queue registering is refused, and the rest is for signing in."""
    person = site.person()
    monkeypatch.setattr(PasswordHasher, "waiting", MOST_REGISTERING)
    sent = {"identifier": "crowd@example.org", "password": live.PASSWORD}
    answer = site.call("POST", "/v1/accounts", sent)
    assert (answer.status, answer.code, answer.header("retry-after")) == (503, "overloaded", "5")
    assert person.try_sign_in().status == 201
    monkeypatch.setattr(PasswordHasher, "waiting", MOST_REGISTERING - 1)
    assert site.call("POST", "/v1/accounts", sent).status == 201


def test_a_hundred_and_one_wrong_passwords_lock_the_password_only(tmp_path: Path) -> None:
    """The password is locked, the right one too; devices that are signed in notice nothing, and
    one of them can unlock it by confirming the password."""
    with live.serving(tmp_path / "data") as site:
        person = site.person()
        devices = [person.sign_in(each) for each in ("web", "api", "partner")]
        answers = [person.try_sign_in(password=live.WRONG) for _ in range(101)]
        assert [each.code for each in answers[:5]] == ["sign_in_refused"] * 5
        assert {each.code for each in answers[6:]} == {"too_many_attempts"}
        locked = person.try_sign_in()
        assert (locked.status, locked.code) == (429, "too_many_attempts")
        assert int(locked.header("retry-after") or 0) == locked.json["retry_after"] > 60

        assert [each.who().status for each in devices] == [200] * 3
        assert [each.refresh().status for each in devices] == [200] * 3
        assert step_up(devices[1], person.password).status == 200
        assert person.try_sign_in().status == 201


def test_the_right_password_many_times_at_once_is_no_guessing(site: live.Site) -> None:
    """Attempts count before they are decided, so those of one account take turns: all are in."""
    person = site.person()
    with ThreadPoolExecutor(20) as threads:
        answers = threads.map(lambda _: person.try_sign_in(), range(20))
        assert [each.status for each in answers] == [201] * 20


def test_guesses_sent_at_once_gain_nothing(site: live.Site) -> None:
    """Of 20 wrong ones five are compared, and the right one among them is as late as the rest."""
    person = site.person()
    with ThreadPoolExecutor(20) as threads:
        answers = threads.map(lambda _: person.try_sign_in(password=live.WRONG), range(20))
        codes = [each.code for each in answers]
    assert set(codes) == {"sign_in_refused", "too_many_attempts"}
    assert 5 <= codes.count("sign_in_refused") <= 6  # one more where the machine slept a second
    assert person.try_sign_in().code == "too_many_attempts"


def test_who_waits_as_long_as_they_were_told_is_let_in(site: live.Site) -> None:
    """Five wrong ones, then Retry-After seconds, then the right one; and the count begins anew."""
    person = site.person()
    for _ in range(5):
        person.try_sign_in(password=live.WRONG)
    answer = person.try_sign_in()
    assert answer.code == "too_many_attempts"
    assert answer.header("retry-after") == "2", "the early one counts too"
    time.sleep(2)
    assert person.try_sign_in().status == 201
    assert person.try_sign_in(password=live.WRONG).code == "sign_in_refused"


def test_what_could_not_be_compared_was_no_guess(tmp_path: Path) -> None:
    """503 with Retry-After while the queue is full, ten times; then the right one is let in."""
    hasher = Full()
    with live.serving(tmp_path / "data", hasher=hasher) as site:
        person = site.person()
        device = person.sign_in("api")
        hasher.full = True
        for answer in [person.try_sign_in(password=live.WRONG) for _ in range(10)] + [
            step_up(device, person.password) for _ in range(10)
        ]:
            assert (answer.status, answer.code) == (503, "overloaded")
            assert answer.header("retry-after") == "5"
        hasher.full = False
        assert person.try_sign_in().status == 201
        assert step_up(device, person.password).status == 200


def test_an_unknown_account_is_locked_like_a_known_one(tmp_path: Path) -> None:
    """Attempt by attempt the same status, code and words, so a lock tells nobody who is here."""
    with live.serving(tmp_path / "data") as site:
        known = site.person()
        unknown = live.Person(site, "nobody@example.org", live.PASSWORD, "")
        pairs = [
            [each.try_sign_in(password=live.WRONG) for each in (known, unknown)] for _ in range(102)
        ]
        for one, other in pairs:
            assert (one.status, one.code) == (other.status, other.code)
        for one, other in (pairs[0], pairs[-1]):
            assert one.raw == other.raw
            assert [each for each, _ in one.headers] == [each for each, _ in other.headers]


@pytest.mark.parametrize("client_id", ["web", "api", "spa", "kiosk", "phone"])
def test_step_up_replaces_the_handle(site: live.Site, client_id: str) -> None:
    """After the password is confirmed there is a new handle, and the old one renews no more."""
    device = site.person().sign_in(client_id)
    old = live.Device(
        device.person,
        client_id,
        device.session_id,
        token=device.token,
        handle=device.handle,
        cookies=dict(device.cookies),
    )
    assert step_up(device, live.WRONG).code == "sign_in_refused"
    answer = step_up(device, device.person.password)
    assert answer.status == 200
    assert answer.json["session"]["id"] == device.session_id
    assert not set(old.secrets) & set(device.secrets)
    assert old.refresh().code == "refresh_unknown"
    assert [device.who().status, device.refresh().status] == [200, 200]


def test_guessing_on_a_signed_in_device_is_slowed_and_told(
    site: live.Site, admin: live.Device
) -> None:
    """A stolen session is no way to guess the password: 429 after a few, each in the trail."""
    device = site.person().sign_in("api")
    codes = [step_up(device, live.WRONG).code for _ in range(7)]
    assert codes[:5] == ["sign_in_refused"] * 5
    assert codes[-1] == "too_many_attempts"
    assert device.who().status == 200
    path = f"/v1/admin/events?subject={device.person.subject}"
    events = admin.call("GET", path).json["events"]
    refused = [each for each in events if each["kind"] == "sign_in_refused"]
    assert {each["session_id"] for each in refused} == {device.session_id}


@pytest.mark.parametrize("client_id", ["web", "api", "spa", "phone"])
def test_a_changed_password_ends_the_others_and_keeps_this_one(
    site: live.Site, client_id: str
) -> None:
    """The old password is refused, the new one is good, and only the current session is left."""
    person = site.person()
    others = [person.sign_in(each) for each in ("web", "api", "partner")]
    device = person.sign_in(client_id)
    before = device.secrets
    answer = change(device, person.password, live.OTHER)
    assert (answer.status, answer.json["revoked"]) == (200, 3)
    assert [each.refresh().code for each in others] == ["session_revoked"] * 3
    assert device.who().status == 200
    if device.cookies:
        assert not set(before) & set(device.secrets)
    assert person.try_sign_in().code == "sign_in_refused"
    assert person.try_sign_in(password=live.OTHER).status == 201


def test_a_password_change_that_is_refused_changes_nothing(site: live.Site) -> None:
    """Wrong current, weak new: every session goes on, and the password stands."""
    person = site.person()
    device, other = person.sign_in("api"), person.sign_in("web")
    assert change(device, live.WRONG, live.OTHER).code == "sign_in_refused"
    assert change(device, person.password, "short").code == "password_refused"
    assert [device.who().status, other.who().status] == [200, 200]
    assert person.try_sign_in().status == 201


def test_a_sign_in_that_verified_the_old_password_loses_against_its_change(
    tmp_path: Path,
) -> None:
    """The password was right when it was compared and is not when the session would open."""
    hasher = Gated()
    with live.serving(tmp_path / "data", hasher=hasher) as site:
        person = site.person()
        device = person.sign_in("api")
        for client_id in ("web", "api", "partner"):
            hasher.matched.clear()
            hasher.go_on.clear()
            hasher.gated = True
            with ThreadPoolExecutor(1) as thread:
                signing_in = thread.submit(person.try_sign_in, client_id)
                assert hasher.matched.wait(live.PATIENCE)
                new = f"{live.OTHER} {client_id}"
                assert change(device, person.password, new).status == 200
                hasher.go_on.set()
                assert signing_in.result().code == "sign_in_refused"
            person.password = new
        assert person.try_sign_in().status == 201


@pytest.mark.parametrize("end", ["all signed out", "suspended"])
def test_a_sign_in_under_way_loses_against_what_ends_all_sessions(tmp_path: Path, end: str) -> None:
    """Signed out everywhere, or suspended, while the password was compared: nobody is let in."""
    hasher = Gated()
    with live.serving(tmp_path / "data", hasher=hasher) as site:
        person, admin = site.person(), site.administrator()
        device = person.sign_in("api")
        hasher.gated = True
        with ThreadPoolExecutor(1) as thread:
            signing_in = thread.submit(person.try_sign_in, "web")
            assert hasher.matched.wait(live.PATIENCE)
            if end == "suspended":
                path = f"/v1/admin/accounts/{person.subject}"
                assert admin.call("PATCH", path, {"state": "suspended"}).status == 200
            else:
                assert device.call("DELETE", "/v1/sessions").json["revoked"] == 1
            hasher.go_on.set()
            answer = signing_in.result()
        assert answer.status in {401, 403}
        assert answer.set_cookies() == []
        path = f"/v1/admin/sessions?client_id=web&subject={person.subject}"
        assert admin.call("GET", path).json["sessions"] == []


def test_of_two_password_changes_at_once_the_second_does_not_undo_the_first(
    tmp_path: Path,
) -> None:
    """A thief whose change began before the owner's was acknowledged does not have the last word:
    the session is over, and the owner's password stands."""
    hasher = Gated()
    with live.serving(tmp_path / "data", hasher=hasher) as site:
        person = site.person()
        owner, thief = person.sign_in("api"), person.sign_in("api")
        hasher.gated = True
        with ThreadPoolExecutor(1) as thread:
            stealing = thread.submit(change, thief, person.password, "mine alone from now on, ha")
            assert hasher.matched.wait(live.PATIENCE)
            assert change(owner, person.password, live.OTHER).status == 200
            hasher.go_on.set()
            assert stealing.result().status == 401
        assert [owner.who().status, thief.who().code] == [200, "session_revoked"]
        assert person.try_sign_in(password=live.OTHER).status == 201
