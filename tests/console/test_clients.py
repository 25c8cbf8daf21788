"""Clients registered and changed, their secrets made and revoked, all of their sessions ended."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest

import live
from console.administering import Desk, events
from counterfoil.errors import Malformed
from counterfoil.lifetime import Lifetime
from counterfoil.server.pages.console import client_forms
from counterfoil.server.pages.words import short
from pages.visiting import notice, place, summary, text_of, wrong_fields

NEW = {
    "strategy": "hybrid",
    "carrier": "bearer",
    "audience": "",
    "algorithm": "ES256",
    "typ": "at+jwt",
    "access": "",
    "idle": "",
    "absolute": "",
    "grace": "",
    "max_staleness": "5s",
    "manage": "no",
}
SETTINGS = {
    name: NEW[name] for name in ("access", "idle", "absolute", "grace", "max_staleness", "manage")
}


def fresh() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


@pytest.fixture
def client_id(desk: Desk) -> str:
    """A hybrid client of its own."""
    name = fresh()
    answer = desk.confirmed("/admin/new-client", client_id=name, **NEW)
    assert place(answer) == f"/admin/clients/{name}"
    return name


def of_client(site: live.Site, client_id: str) -> dict[str, Any]:
    told = site.administrator().call("GET", "/v1/admin/clients").json["clients"]
    return next((each for each in told if each["client_id"] == client_id), {"manage": False})


def test_a_client_is_registered_and_people_can_sign_in(desk: Desk, client_id: str) -> None:
    """At once, with the settings that were given; and the trail says by whom."""
    assert notice(desk.get(f"/admin/clients/{client_id}")).startswith("The client is registered.")
    device = desk.site.person().sign_in(client_id)
    assert device.opened["effective_within_seconds"] == 5
    assert client_id in text_of(desk.get("/admin/clients"))
    assert "the server's" in text_of(desk.get(f"/admin/clients/{client_id}"))
    line = next(
        each
        for each in events(desk.site)
        if each["client_id"] == client_id and each["subject"] is None
    )
    assert (line["kind"], line["detail"]["by"]) == ("client_registered", desk.person.subject)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"client_id": "No Good"}, "Give client_id 1 to 32"),
        ({"strategy": "magic"}, "Set strategy to one of"),
        ({"max_staleness": "90s"}, "between 1 and 60 seconds"),
        ({"max_staleness": "soon"}, "Write"),
        ({"access": "90d"}, "Set access no longer than idle"),
        ({"idle": "1 year"}, "Write"),
        ({"client_id": "web"}, "There is a client of this client_id."),
        ({"client_id": ""}, "Something is missing."),
    ],
)
def test_what_cannot_work_is_refused_in_words(
    desk: Desk, changed: dict[str, str], told: str
) -> None:
    """And what was typed stays in the form."""
    answer = desk.confirmed("/admin/new-client", **{"client_id": "fine", **NEW, **changed})
    assert answer.status in {400, 409}
    assert told in summary(answer)
    assert wrong_fields(answer)
    if "client_id" not in changed:
        assert 'value="fine"' in answer.raw.decode()


def test_settings_are_changed(desk: Desk, client_id: str) -> None:
    """Of its own, and back to the server's."""
    path = f"/admin/clients/{client_id}"
    changed = {**SETTINGS, "access": "2m", "max_staleness": "3s", "manage": "yes"}
    assert place(desk.confirmed(f"{path}/settings", **changed)) == path
    page = desk.get(path)
    assert notice(page).startswith("The client is changed.")
    text = text_of(page)
    assert "A token is good for 2m" in text
    assert "Bound 3s" in text
    assert "Lifetimes its own" in text
    assert 'value="2m"' in desk.get(f"{path}/settings").raw.decode()
    live.until(lambda: of_client(desk.site, client_id)["manage"])
    assert place(desk.confirmed(f"{path}/settings", **SETTINGS)) == path
    assert "Lifetimes the server's" in text_of(desk.get(path))
    for wrong in ({"access": "x"}, {"access": "90d"}, {"max_staleness": "90s"}):
        assert desk.confirmed(f"{path}/settings", **{**SETTINGS, **wrong}).status == 400


def test_the_pages_keep_their_own_client(desk: Desk) -> None:
    """Nobody locks themselves out by that."""
    changed = {**SETTINGS, "max_staleness": "10s", "manage": "no"}
    answer = desk.confirmed("/admin/clients/web/settings", **changed)
    assert answer.status == 400
    assert "these pages sign in to this client" in summary(answer)


def test_a_secret_is_shown_once(desk: Desk, client_id: str) -> None:
    """In the answer to the form, which is not stored; on no page after it."""
    path = f"/admin/clients/{client_id}"
    answer = desk.confirmed(f"{path}/secret")
    assert (answer.status, answer.header("cache-control")) == (200, "no-store")
    [secret] = re.findall(r"cfs_[\w-]+", text_of(answer))
    for later in (path, "/admin/clients", f"{path}/secret", "/admin/events"):
        assert secret not in desk.get(later).raw.decode()
    assert secret not in str(events(desk.site))
    called = desk.site.call(
        "POST",
        "/oauth/introspect",
        f"token=x&client_id={client_id}&client_secret={secret}".encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert called.status == 200


def test_a_third_secret_is_refused_until_one_is_revoked(desk: Desk, client_id: str) -> None:
    """All but the newest, then all."""
    path = f"/admin/clients/{client_id}"
    for _ in range(2):
        assert desk.confirmed(f"{path}/secret").status == 200
    refused = desk.confirmed(f"{path}/secret")
    assert "two secrets" in summary(refused)
    for which, left in (("former", 1), ("all", 0)):
        assert place(desk.confirmed(f"{path}/revoke-secrets", which=which)) == path
        page = desk.get(path)
        assert notice(page).startswith("The secrets are revoked.")
        assert len(re.findall(r"<li>made ", page.raw.decode())) == left
    kinds = [each["kind"] for each in events(desk.site) if each["client_id"] == client_id]
    assert kinds[:4] == [*["client_secrets_revoked"] * 2, *["client_secret_made"] * 2]


def test_all_sessions_of_a_client_are_ended(desk: Desk, client_id: str) -> None:
    """With the password, and with the guarantee told."""
    devices = [desk.site.person().sign_in(client_id) for _ in range(3)]
    path = f"/admin/clients/{client_id}/end-sessions"
    assert desk.post(path, password=live.WRONG).status == 401
    assert {device.who().status for device in devices} == {200}
    assert place(desk.confirmed(path)) == "/admin/ended"
    assert {device.who().code for device in devices} == {"session_revoked"}
    text = text_of(desk.get("/admin/ended"))
    assert "3 sessions were ended." in text
    assert f"all sessions of the client {client_id}" in text


@pytest.mark.parametrize("path", ["", "/settings", "/secret", "/revoke-secrets", "/end-sessions"])
def test_a_client_that_is_not_there_is_not_found(desk: Desk, path: str) -> None:
    """404 in words."""
    answer = desk.get(f"/admin/clients/nothing{path}")
    assert (answer.status, "There is no client of this id" in text_of(answer)) == (404, True)


def test_durations_are_read_as_they_are_written() -> None:
    """In the largest unit that says them exactly."""
    for text in ("10s", "5m", "12h", "30d", "90s", "0.5s"):
        assert short(client_forms.span(text, "it")) == text
    assert short(timedelta(0)) == "0s"
    sent = dict.fromkeys(("access", "idle", "absolute", "grace"), "")
    assert client_forms.lifetime(sent, Lifetime()) == (Lifetime(), False)
    own, is_own = client_forms.lifetime({**sent, "access": "1m"}, Lifetime())
    assert (own.access, is_own) == (timedelta(minutes=1), True)
    with pytest.raises(Malformed):
        client_forms.span("9e999d", "it")
