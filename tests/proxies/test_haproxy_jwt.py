"""HAProxy verifying tokens itself, by the configuration in docs/proxies.md."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import live
from forging import segment
from proxies import running
from proxies.application import Application, application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.keys import SigningKey


@dataclass(slots=True)
class Verifying:
    """A proxy that asks nobody. site: the issuer; through: the way by the proxy."""

    site: live.Site
    through: live.Site
    application: Application
    keys: Path

    @property
    def key(self) -> SigningKey:
        assert self.site.server is not None
        return self.site.server.auth.keys.signing_keys().active("ES256")

    def status(self, token: str, *more: str) -> int:
        """What the proxy answers to this token."""
        lines = "".join(f"{line}\r\n" for line in (f"Authorization: Bearer {token}", *more))
        head = f"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"
        return int(self.through.raw(head.encode()).split()[1])

    def made(self, head: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token as the issuer signs it, with changes; None takes a member out."""
        header = {"alg": "ES256", "kid": self.key.kid, "typ": "at+jwt", **(head or {})}
        now = int(time.time())
        payload = {
            "iss": self.site.url,
            "sub": "somebody",
            "aud": "partner",
            "exp": now + 300,
            "iat": now,
            "client_id": "partner",
            **changes,
        }
        kept = [{n: v for n, v in part.items() if v is not None} for part in (header, payload)]
        text = ".".join(segment(json.dumps(part).encode()) for part in kept)
        return f"{text}.{segment(self.key.material.signature(text.encode()))}"


@pytest.fixture(scope="module")
def verifying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verifying]:
    running.required("haproxy")
    folder = tmp_path_factory.mktemp("verifying")
    with (
        running.reserved() as public,
        application() as behind,
        live.serving(folder / "data") as site,
    ):
        keys = running.fetched_keys(site.url, folder)
        ports = running.Ports(public, site.port, behind.port)
        command = running.verifying(folder, ports, issuer=site.url, keys=keys)
        with running.running(command, folder, public):
            yield Verifying(site, live.Site(public, folder, None), behind, keys)


def test_an_honest_token_passes(verifying: Verifying) -> None:
    """Its subject is told to the application, in the place of whatever the client said."""
    person = verifying.site.person()
    token = person.sign_in("partner").token
    assert verifying.status(token) == 200
    assert verifying.status(verifying.made()) == 200
    verifying.application.seen.clear()
    for name in ("X-Auth-Subject", "x_auth_subject", "X.Auth.Subject", "X-Auth-Roles"):
        assert verifying.status(token, f"{name}: forged") == 200
    assert {seen.subject for seen in verifying.application.seen} == {person.subject}
    assert "forged" not in str([seen.headers for seen in verifying.application.seen])


def test_a_token_of_another_client_is_refused(verifying: Verifying) -> None:
    """Another audience, a refresh handle, a status that this proxy does not know."""
    person = verifying.site.person()
    api, partner = person.sign_in("api"), person.sign_in("partner")
    for text in (api.token, api.handle, partner.handle, person.sign_in("phone").token):
        assert verifying.status(text) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "api"},
        {"aud": None},
        {"aud": "partner "},
        {"aud": ["api", "partner"]},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"iss": "http://localhost"},
        {"exp": 1},
        {"exp": 0},
        {"exp": -1},
        {"exp": 2**62},
        {"exp": 2**64 + 2_000_000_000},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": {}},
    ],
    ids=str,
)
def test_claims_that_do_not_hold_are_refused(verifying: Verifying, changes: dict[str, Any]) -> None:
    """A good signature is not enough."""
    assert verifying.status(verifying.made(**changes)) == 401


def test_an_expired_token_is_refused(verifying: Verifying) -> None:
    """From the second in which it ends."""
    assert verifying.status(verifying.made(exp=int(time.time()))) == 401
    assert verifying.status(verifying.made(exp=int(time.time()) - 1)) == 401


@pytest.mark.parametrize("typ", [None, "JWT", "statuslist+jwt", "AT+JWT", ""])
def test_another_kind_of_token_is_refused(verifying: Verifying, typ: str | None) -> None:
    """J21: what the same key signed for another purpose."""
    assert verifying.status(verifying.made({"typ": typ})) == 401


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "ES384"])
def test_the_token_does_not_choose_the_algorithm(verifying: Verifying, alg: str) -> None:
    """J1 to J3: without a signature, with any, or with the public key as a shared secret."""
    honest = verifying.made()
    text = f"{segment(json.dumps({'alg': alg, 'typ': 'at+jwt'}).encode())}.{honest.split('.')[1]}"
    pems = [path.read_bytes() for path in verifying.keys.iterdir()]
    macs = [hmac.digest(pem, text.encode(), hashlib.sha256) for pem in (*pems, b"")]
    for signature in ("", honest.split(".")[2], *map(segment, macs), segment(bytes(64))):
        assert verifying.status(f"{text}.{signature}") == 401, alg


def test_what_was_changed_is_refused(verifying: Verifying) -> None:
    """Another payload or header under the same signature, half a signature, none, more parts."""
    head, body, signature = verifying.made().split(".")
    other = verifying.made(sub="admin").split(".")[1]
    raw = base64.urlsafe_b64decode(signature + "==")
    for token in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.{signature[:43]}",
        f"{head}.{body}.{segment(bytes(64))}",
        f"{head}.{body}.{segment(raw[32:] + raw[:32])}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{head}.{body}.{signature}.{signature}",
        "..",
        "x",
    ):
        assert verifying.status(token) == 401, token


def test_one_credential_in_one_header(verifying: Verifying) -> None:
    """Two headers, another scheme, a cookie or the query are none."""
    token = verifying.made()
    assert verifying.status(token, f"Authorization: Bearer {token}") == 401
    for headers in ({}, {"Authorization": f"Basic {token}"}, {"Authorization": "Bearer"}):
        answer = verifying.through.call("GET", f"/x?access_token={token}", headers=headers)
        assert answer.status == 401


def test_a_new_key_is_known_before_it_signs(verifying: Verifying) -> None:
    """The keys that the program writes are those that sign now and next."""
    told = verifying.site.call("GET", "/.well-known/jwks.json").json["keys"]
    assert len([key for key in told if key.get("alg") == "ES256"]) >= 2
    assert len({path.read_bytes() for path in verifying.keys.iterdir()}) >= 2
