"""The classes S10 to S19 of attacks: who may renew, what ends, who is told what, what is heard.

S1 to S9 are in test_sessions.py, which also says what is left to later issues.
"""

from __future__ import annotations

import itertools
import json
import unicodedata
from typing import TYPE_CHECKING, Final

import pytest
from argon2 import low_level

import live
from counterfoil.server.throttle import PER_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDS: Final = ("revoke", "suspend", "roles")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each comparison of a password with a hash cost."""
    costs: list[str] = []
    verify = low_level.verify_secret

    def counted(hashed: bytes, secret: bytes, kind: low_level.Type) -> bool:
        costs.append("$".join(hashed.decode().split("$")[1:4]))
        return verify(hashed, secret, kind)

    monkeypatch.setattr(low_level, "verify_secret", counted)
    return costs


def administer(admin: live.Device, device: live.Device, end: str) -> None:
    path = f"/v1/admin/accounts/{device.person.subject}"
    if end == "revoke":
        assert device.sign_out().json["revoked"] == 1
    elif end == "suspend":
        assert admin.call("PATCH", path, {"state": "suspended"}).status == 200
    else:
        assert admin.call("PATCH", path, {"roles": ["editor"]}).status == 200


@pytest.mark.parametrize("named", ["web", "partner", "other", "nobody"])
def test_s10_a_handle_renews_only_as_its_own_client(site: live.Site, named: str) -> None:
    """Another client that got hold of it gets nothing, and the owner goes on."""
    device = site.person().sign_in("api")
    sent = {"refresh_handle": device.handle, "client_id": named}
    answer = site.call("POST", "/v1/session/refresh", sent)
    assert (answer.status, answer.code) == (401, "refresh_unknown")
    sent["client_id"] = "api"
    answer = site.call("POST", "/v1/session/refresh", sent)
    assert answer.json["session"]["client_id"] == "api"


@pytest.mark.parametrize("client_id", ["web", "api", "spa", "phone"])
def test_s11_a_revocation_is_not_forgotten_by_a_restart(tmp_path: Path, client_id: str) -> None:
    """Restarted on the same data, the server refuses what it had revoked, token and handle."""
    data = tmp_path / "data"
    with live.serving(data) as site:
        person = site.person()
        device, kept = person.sign_in(client_id), person.sign_in(client_id)
        headers = device.headers()
        assert device.sign_out().json["revoked"] == 1
    with live.serving(data, issuer=site.url) as again:
        answer = again.call("GET", "/v1/session", headers=headers)
        assert (answer.status, answer.code) == (401, "session_revoked")
        assert again.call("GET", "/v1/session", headers=kept.headers()).status == 200


@pytest.mark.parametrize("order", list(itertools.permutations(ENDS)))
@pytest.mark.parametrize("client_id", ["web", "api"])
def test_s12_the_most_restrictive_refusal_wins_in_any_order(
    site: live.Site, admin: live.Device, client_id: str, order: tuple[str, ...]
) -> None:
    """Revoked, suspended and stale at once is revoked, and lifting the suspension lifts no more."""
    device = site.person().sign_in(client_id)
    copy = live.Device(device.person, client_id, device.session_id, token=device.token)
    copy.cookies = dict(device.cookies)
    for end in order:
        administer(admin, device, end)
    assert copy.who().code == "session_revoked"
    path = f"/v1/admin/accounts/{device.person.subject}"
    assert admin.call("PATCH", path, {"state": "active", "roles": []}).status == 200
    assert copy.who().code == "session_revoked"


@pytest.mark.parametrize("end", ENDS)
def test_s13_a_token_that_was_checked_before_is_checked_again(
    site: live.Site, admin: live.Device, end: str
) -> None:
    """What is kept of a checked token never outlives the next status, at this server at once."""
    device = site.person().sign_in("api")
    token = device.token
    assert [device.who().status for _ in range(3)] == [200] * 3
    administer(admin, device, end)
    code = {"revoke": "session_revoked", "suspend": "subject_suspended", "roles": "claims_stale"}
    device.token = token
    assert device.who().code == code[end]


@pytest.mark.parametrize("client_id", ["web", "api", "partner", "spa", "kiosk", "phone"])
def test_s14_who_is_suspended_does_not_renew(
    site: live.Site, admin: live.Device, client_id: str
) -> None:
    """Whatever the strategy, at once; nor does signing in, stepping up or managing work."""
    device = site.person().sign_in(client_id)
    administer(admin, device, "suspend")
    answer = device.refresh()
    assert (answer.status, answer.code, answer.set_cookies()) == (403, "subject_suspended", [])
    assert device.person.try_sign_in(client_id).code == "subject_suspended"
    if client_id != "partner":
        sent = {"password": live.PASSWORD}
        assert device.call("POST", "/v1/session/step-up", sent).code == "subject_suspended"
        assert device.call("GET", "/v1/sessions").code == "subject_suspended"


def test_s15_an_unknown_account_gets_the_same_answer_for_the_same_work(
    site: live.Site, admin: live.Device, compared: list[str]
) -> None:
    """Wrong password, unknown account, suspended account: one comparison at one cost, one text."""
    known, suspended = site.person(), site.person()
    admin.call("PATCH", f"/v1/admin/accounts/{suspended.subject}", {"state": "suspended"})
    unknown = live.Person(site, "nobody@example.org", live.PASSWORD, "")
    answers = []
    for person in (known, suspended, unknown):
        compared.clear()
        answers.append(person.try_sign_in(password=live.WRONG))
        assert compared == ["argon2id$v=19$m=8,t=1,p=1"]
    assert {each.status for each in answers} == {401}
    assert len({each.raw for each in answers}) == 1
    own = {"date", "x-request-id"}
    alike = [[pair for pair in each.headers if pair[0] not in own] for each in answers]
    assert alike[0] == alike[1] == alike[2]


def test_s16_a_password_too_long_to_be_one_costs_nothing(
    site: live.Site, compared: list[str]
) -> None:
    """Past the limits nothing is hashed; the answer does not say whether the account exists."""
    people = [site.person(), live.Person(site, "nowhere@example.org", "", "")]
    compared.clear()
    for password, code in (
        ("x" * 4097, "malformed"),
        ("\ufdfa" * 4097, "malformed"),
        ("x" * 70_000, "too_large"),
        ("x" * 257, "sign_in_refused"),
        ("\ufdfa" * 200, "sign_in_refused"),  # 18 characters each, once normalised
    ):
        codes = {person.try_sign_in(password=password).code for person in people}
        assert codes == {code}, password[:1]
    assert compared == []


def test_s16_one_password_is_one_however_it_was_typed(site: live.Site) -> None:
    """Composed and decomposed forms are the same password (NFKC); what looks alike is not."""
    typed = "sk\u00e5l, fjord og bl\u00e5b\u00e6r i lommen"
    person = site.person(password=typed)
    assert person.try_sign_in(password=unicodedata.normalize("NFD", typed)).status == 201
    assert person.try_sign_in(password=typed.replace("o", "\u043e")).status == 401


@pytest.mark.parametrize(
    "identifier",
    [
        "\u017fmith@example.org",
        "\u0131an@example.org",
        "\u212aate@example.org",
        "a b",
        "a\tb",
        "\u00e9",
        "a\u202eb",
        "",
    ],
)
def test_s16_an_identifier_that_only_looks_like_another_is_refused(
    site: live.Site, identifier: str
) -> None:
    """Case folding turns none of these into somebody else: they are no identifiers here."""
    for path, more in (("/v1/accounts", {}), ("/v1/sessions", {"client_id": "api"})):
        sent = {"identifier": identifier, "password": live.PASSWORD, **more}
        assert site.call("POST", path, sent).code == "malformed"


@pytest.fixture
def spoofs() -> Iterator[dict[str, str]]:
    """Headers that name another client address each time."""

    def each() -> Iterator[dict[str, str]]:
        for number in itertools.count():
            address = f"203.0.113.{number % 250 + 1}"
            yield {
                "X-Forwarded-For": address,
                "X_Forwarded_For": address,
                "Forwarded": f"for={address}",
                "X-Real-IP": address,
                "True-Client-IP": address,
            }

    return each()


def test_s17_headers_that_anybody_can_send_change_nobodys_address(
    tmp_path: Path, spoofs: Iterator[dict[str, str]]
) -> None:
    """A guesser who names another address each time is still slowed as one."""
    with live.serving(tmp_path / "data") as site:
        person = site.person()
        codes = []
        for number in range(PER_ADDRESS.free + 3):
            sent = {"client_id": "api", "identifier": f"guess{number}", "password": live.WRONG}
            codes.append(site.call("POST", "/v1/sessions", sent, next(spoofs)).code)
        assert codes[PER_ADDRESS.free - 1] == "sign_in_refused"
        assert codes[-1] == "too_many_attempts"
        assert person.try_sign_in().code == "too_many_attempts"


def test_s17_a_trusted_proxy_is_believed_and_the_issuer_stays_what_was_configured(
    tmp_path: Path, spoofs: Iterator[dict[str, str]]
) -> None:
    """From a trusted proxy each address counts for itself; `iss` never comes from a header."""
    with live.serving(tmp_path / "data", trusted_proxies=("127.0.0.1",)) as site:
        for number in range(PER_ADDRESS.free + 3):
            sent = {"client_id": "api", "identifier": f"guess{number}", "password": live.WRONG}
            code = site.call("POST", "/v1/sessions", sent, next(spoofs)).code
            assert code == "sign_in_refused"
        person = site.person()
        sent = {"client_id": "partner", "identifier": person.identifier, "password": live.PASSWORD}
        evil = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        token = site.call("POST", "/v1/sessions", sent, evil).json["credential"]["token"]
        answer = site.call("GET", "/v1/session", headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, "the issuer is the one that it checks"
    raw = b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    with live.serving(tmp_path / "again") as site:
        answer_raw = site.raw(raw)
        assert site.url.encode() in answer_raw
        assert b"evil" not in answer_raw


def test_s18_a_bearer_header_never_spares_a_cookie_its_check(site: live.Site) -> None:
    """With any Authorization header the request is bearer or nothing: no fallback to the cookie,
    and no cross-site write by way of a header that fails."""
    device, api = site.person().sign_in("web"), site.person().sign_in("api")
    cross = {"Sec-Fetch-Site": "cross-site"}
    for value in ("Bearer x", "Bearer ", "Basic YTpi", "bearer", "", f"Bearer {live.WRONG}"):
        for method, path in (("GET", "/v1/session"), ("DELETE", "/v1/session")):
            answer = device.call(method, path, headers={**cross, "Authorization": value})
            assert (answer.status, answer.code) == (401, "credential_malformed"), value
        answer = device.call("POST", "/v1/session/refresh", headers={"Authorization": value})
        assert answer.code in {"credential_malformed", "malformed"}
    seen = device.call("GET", "/v1/session", headers=api.headers())
    assert seen.json["session_id"] == api.session_id
    ended = device.call("DELETE", "/v1/session", headers={**api.headers(), **cross})
    assert ended.json["revoked"] == 1
    assert [device.who().status, api.who().code] == [200, "session_revoked"]


def test_s19_what_stands_there_twice_is_refused(site: live.Site) -> None:
    """Headers that decide, cookies, query parameters, JSON members: two are none."""
    device, web = site.person().sign_in("api"), site.person().sign_in("web")
    bearer = ("Authorization", f"Bearer {device.token}")
    cookie = ("Cookie", web.headers()["Cookie"])
    sent = {"client_id": "api", "identifier": "a", "password": "b"}
    twice = json.dumps(sent)[:-1].encode() + b', "password": "c"}'
    json_type = ("Content-Type", "application/json")
    own, origin = ("Sec-Fetch-Site", "same-origin"), ("Origin", site.url)
    for method, path, body, headers in (
        ("GET", "/v1/session", None, [bearer, bearer]),
        ("GET", "/v1/session", None, [cookie, cookie]),
        ("DELETE", "/v1/session", None, [cookie, own, own]),
        ("DELETE", "/v1/session", None, [cookie, origin, origin]),
        ("GET", "/v1/session?client_id=web&client_id=web", None, [cookie]),
        ("DELETE", "/v1/sessions?keep=current&keep=current", None, [bearer]),
        ("POST", "/v1/sessions", twice, [json_type]),
        ("POST", "/v1/sessions", json.dumps(sent).encode(), [json_type, json_type]),
        (
            "POST",
            "/v1/session/refresh",
            b'{"refresh_handle":"a","refresh_handle":"a"}',
            [json_type],
        ),
    ):
        answer = site.call(method, path, body, headers)
        assert (answer.status, answer.code) == (400, "malformed"), (method, path, headers)
    assert [device.who().status, web.who().status] == [200, 200]
