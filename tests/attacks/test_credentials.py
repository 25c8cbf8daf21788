"""Every credential that is not good, at every kind of call: refused by its code, nothing told,
nothing lost."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

import live
from counterfoil import jws
from counterfoil.keys import SigningKeySet

if TYPE_CHECKING:
    from counterfoil.keys import SigningKey

Header = tuple[str, str]
MALFORMED: Final = "credential_malformed"
UNKNOWN: Final = "session_unknown"
CLIENTS: Final = ("web", "api", "partner", "spa", "kiosk", "phone", "other")
SIGN_OUT: Final = ("DELETE", "/v1/session", None)
CALLS: Final = [
    ("GET", "/v1/session", None),
    ("POST", "/v1/session/refresh", None),
    ("POST", "/v1/session/step-up", {"password": live.PASSWORD}),
    SIGN_OUT,
    ("GET", "/v1/sessions", None),
    ("DELETE", "/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA", None),
    ("DELETE", "/v1/sessions?keep=current", None),
    ("POST", "/v1/account/password", {"current": live.PASSWORD, "new": live.OTHER}),
    ("GET", "/v1/admin/accounts", None),
    ("DELETE", "/v1/admin/sessions?client_id=web", None),
    ("POST", "/v1/admin/keys/rotate", {"algorithm": "ES256"}),
]


@dataclass
class Case:
    """What is sent. ends: whether a sign-out rightly takes it; code: what a check says of it."""

    headers: list[Header]
    code: str
    ends: bool = False

    @property
    def texts(self) -> list[str]:
        """What must not come back: the longer words of the headers' values."""
        words = " ".join(value for _, value in self.headers).replace("=", " ").split()
        return [word for word in words if len(word) >= 20 and not word.startswith("__Host-")]


def bearer(text: str) -> Header:
    return "Authorization", f"Bearer {text}"


def cookie(name: str, text: str) -> Header:
    return "Cookie", f"__Host-cf_{name}={text}"


def turned(text: str) -> str:
    """The text with its last character but three turned into another."""
    return text[:-4] + ("A" if text[-4] != "A" else "B") + text[-3:]


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def resigned(token: str, key: SigningKey, *, typ: str = "at+jwt", **changes: Any) -> str:
    """The token with other claims, or without those that are None, signed by this key."""
    claims = {**claims_of(token), **changes}
    left = {name: claim for name, claim in claims.items() if claim is not None}
    payload = json.dumps(left).encode()
    return jws.sign(payload, key.material, kid=key.kid, typ=typ)


class Cast:
    """Honest people with a device of each client, and everything a dishonest one may send."""

    def __init__(self, site: live.Site) -> None:
        person = site.person()
        self.devices = {each: person.sign_in(each) for each in CLIENTS}
        self.ended = {each: person.sign_in(each) for each in ("web", "api", "phone")}
        for device in self.ended.values():
            # Not by the device itself, which would let go of its cookies.
            assert site.call("DELETE", "/v1/session", headers=device.headers()).status == 200
        self.web = self.devices["web"].cookies["__Host-cf_web"]
        self.spa = self.devices["spa"].cookies["__Host-cf_spa"]
        self.spa_handle = self.devices["spa"].cookies["__Host-cf_spa_r"]
        self.phone, self.api = self.devices["phone"].token, self.devices["api"]
        self.cases = {**self.carried(), **self.forged(site), **self.gone()}

    def carried(self) -> dict[str, Case]:
        """By what does not carry it."""
        token, handle, web, spa = self.api.token, self.api.handle, self.web, self.spa
        spa_handle, phone = self.spa_handle, self.phone
        return {
            "none": Case([], "credential_missing"),
            "not bearer": Case([("Authorization", "Basic YWRtaW46YWRtaW4=")], MALFORMED),
            "no token": Case([("Authorization", "Bearer")], MALFORMED),
            "two words": Case([bearer(f"{token} {token}")], MALFORMED),
            "two headers": Case([bearer(token), bearer(token)], "malformed"),
            "oversized": Case([bearer("A" * 20_000)], "too_large"),
            "many dots": Case([bearer("." * 10_000)], MALFORMED),
            "empty cookie": Case([cookie("web", "")], MALFORMED),
            "large cookie": Case([("Cookie", "a=" + "A" * 66_000)], "too_large"),
            "cookie twice": Case([cookie("web", web), cookie("web", web)], "malformed"),
            "two clients": Case(
                [cookie("web", web), cookie("spa", spa), cookie("spa_r", spa_handle)], "malformed"
            ),
            "cookie's handle as bearer": Case([bearer(web)], MALFORMED, ends=True),
            "refresh cookie's as bearer": Case([bearer(spa_handle)], MALFORMED, ends=True),
            "refresh handle as bearer": Case([bearer(handle)], MALFORMED, ends=True),
            "cookie's token as bearer": Case([bearer(spa)], MALFORMED),
            "bearer's token as cookie": Case([cookie("spa", token)], MALFORMED),
            "bearer's handle as cookie": Case([cookie("web", handle)], UNKNOWN),
            "bearer's session as cookie": Case([cookie("web", phone)], UNKNOWN),
            "another client's token": Case([cookie("kiosk", spa)], MALFORMED),
            "another client's handle": Case([cookie("web", spa_handle)], UNKNOWN),
            "handle for token": Case([cookie("spa", spa_handle)], MALFORMED, ends=True),
            "token for handle": Case([cookie("spa_r", spa)], "credential_expired", ends=True),
            "bad beside a good cookie": Case([bearer("x" * 30), cookie("web", web)], MALFORMED),
        }

    def forged(self, site: live.Site) -> dict[str, Case]:
        """By somebody else, or by us for something else."""
        assert site.server is not None
        now = datetime.now(UTC)
        keys = site.server.auth.keys.update(lambda keys: keys.with_purpose("status", now=now))
        ours, status = keys.active("ES256"), keys.active("ES256", "status")
        theirs = SigningKeySet.generate(now=now).active("ES256")
        token, second = self.api.token, int(now.timestamp())

        def case(code: str, key: SigningKey = ours, *, ends: bool = False, **changes: Any) -> Case:
            return Case([bearer(resigned(token, key, **changes))], code, ends=ends)

        no_list = {"status_list": {"idx": 0, "uri": f"{site.url}/status/lists/x"}}
        return {
            "foreign key": case("key_unknown", theirs),
            "foreign in our cookie": Case(
                [cookie("spa", resigned(self.spa, theirs))], "key_unknown"
            ),
            "key for status": case("key_unknown", status),
            "turned signature": Case([bearer(turned(token))], "signature_mismatch"),
            "turned handle": Case([bearer(turned(self.phone))], UNKNOWN),
            "made-up handle": Case([bearer("cf_" + "A" * 60)], UNKNOWN),
            "no signature": Case([bearer(token.rpartition(".")[0] + ".")], MALFORMED),
            "padded": Case([bearer(token + "=")], MALFORMED),
            "type of a list": case(MALFORMED, typ="statuslist+jwt"),
            "issuer": case("wrong_issuer", iss="https://evil.example"),
            "audience": case("wrong_audience", aud="other"),
            "unknown client": case("wrong_audience", client_id="x"),
            "cookie client": case("wrong_audience", client_id="web", aud="web"),
            "expired": case("credential_expired", exp=second - 1, ends=True),
            "from the future": case(MALFORMED, iat=second + 600, ends=True),
            "no such list": case(UNKNOWN, status=no_list, ends=True),
            "no such entry": case(UNKNOWN, status=far(token), ends=True),
            "no status": case(UNKNOWN, status=None, ends=True),
        }

    def gone(self) -> dict[str, Case]:
        ended, code = self.ended, "session_revoked"
        web = ended["web"].cookies["__Host-cf_web"]
        good = cookie("web", self.web)
        return {
            "ended cookie": Case([cookie("web", web)], code, ends=True),
            "ended token": Case([bearer(ended["api"].token)], code, ends=True),
            "ended handle": Case([bearer(ended["phone"].token)], code, ends=True),
            "ended beside a good cookie": Case([bearer(ended["api"].token), good], code, ends=True),
        }


def far(token: str) -> dict[str, object]:
    """The status of this token, with an index past the end of its list."""
    return {"status_list": {**claims_of(token)["status"]["status_list"], "idx": 2**30}}


@pytest.fixture(scope="module")
def cast(site: live.Site) -> Cast:
    return Cast(site)


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=lambda part: str(part)[:40])
def test_what_is_no_good_credential_is_refused_and_costs_nobody_anything(
    site: live.Site, cast: Cast, method: str, path: str, body: object
) -> None:
    """A coded 4xx each time, no cookie set or cleared, nothing that was sent comes back; all the
    honest sessions go on."""
    for name, case in cast.cases.items():
        if case.ends and (method, path, body) == SIGN_OUT:
            continue
        answer = site.call(method, path, body, case.headers)
        assert 400 <= answer.status < 500, (name, answer)
        assert answer.code, (name, answer)
        assert answer.set_cookies() == [], name
        told = answer.raw.decode() + str(answer.headers)
        assert [text for text in case.texts if text in told] == [], name
        if (method, path) == ("GET", "/v1/session"):
            assert answer.code == case.code, (name, answer)
    assert {name: device.who().status for name, device in cast.devices.items()} == dict.fromkeys(
        CLIENTS, 200
    )


def test_what_is_no_good_handle_renews_nothing(site: live.Site, cast: Cast) -> None:
    """Tokens, cookies' handles, made-up and ended ones as refresh_handle: 401, and all go on."""
    devices = cast.devices
    for text in (
        devices["api"].token,
        devices["partner"].token,
        devices["web"].cookies["__Host-cf_web"],
        devices["spa"].cookies["__Host-cf_spa"],
        devices["spa"].cookies["__Host-cf_spa_r"],
        turned(devices["api"].handle),
        "cf_" + "A" * 60,
        "cf_",
        "x",
        "A" * 4096,
        "\u00e9" * 63,
        f" {devices['api'].handle}",
        f"{devices['api'].handle}\n",
        devices["api"].handle.upper(),
        f"Bearer {devices['api'].handle}",
        cast.ended["phone"].token,
        cast.ended["api"].handle,
    ):
        answer = site.call("POST", "/v1/session/refresh", {"refresh_handle": text})
        assert answer.status == 401, (text, answer)
        assert answer.code in {"refresh_unknown", MALFORMED, "session_revoked"}
        assert text.strip()[3:] not in answer.raw.decode() or len(text) < 4
    for device in devices.values():
        assert device.refresh().status == 200
        assert device.who().status == 200


@pytest.mark.parametrize("client_id", CLIENTS)
def test_a_credential_is_worth_nothing_to_another_person(site: live.Site, client_id: str) -> None:
    """Whoever is signed in reads and ends their own sessions only."""
    mine, theirs = site.person().sign_in(client_id), site.person().sign_in("api")
    for method in ("DELETE", "GET", "PATCH", "POST"):
        for path in (
            f"/v1/sessions/{theirs.session_id}",
            f"/v1/admin/sessions/{theirs.session_id}",
        ):
            answer = mine.call(method, path)
            assert answer.status in {403, 404, 405}, (method, path)
    assert [mine.who().status, theirs.who().status] == [200, 200]
