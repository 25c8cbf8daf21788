"""Somebody changes a token, and hopes."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from counterfoil import jws
from counterfoil.server.lab.bench import bearer, cookie
from counterfoil.server.lab.calling import NotAsSaid
from counterfoil.server.lab.seen import (
    Chapter,
    Decoded,
    Exchange,
    Experiment,
    Note,
    Seen,
    Sides,
    Table,
    Verdict,
)

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench

_ADMIN: Final = {"roles": ["admin"]}
_LATER: Final = 10 * 365 * 24 * 3600


def run(bench: Bench) -> Iterator[Seen]:
    """Makes tokens that say more than Ann may, and shows them to the server and to a service."""
    person = bench.person()
    given = bench.sign_in(person, "api")
    service = bench.second_service()
    keys = bench.call("GET", "/.well-known/jwks.json").expect(200).body["keys"]
    yield Chapter("Ann's token", "She may read it. What she wants is another role.")
    yield Decoded.of(given.token)
    forgeries = _forgeries(given.token, keys)
    yield Chapter("What was tried", "Each at the server, and at a service with a Verifier.")
    rows = []
    for number, (what, token) in enumerate(forgeries.items()):
        here = bench.call("GET", "/v1/session", carried=bearer(token))
        there = service("GET", "/api", carried=bearer(token))
        if not here.code or not there.code:
            raise NotAsSaid(f"A forged token was accepted: {what}.")
        if number == 0:
            yield Exchange(what=what, answer=here, who="Attacker")
        rows.append((what, here.said, there.said))
    yield Table("What they said", ("forgery", "server", "second service"), tuple(rows))
    yield Chapter("A handle with one letter changed")
    handle = bench.sign_in(person, "web").token
    changed = handle[:-1] + ("A" if handle[-1] != "A" else "Q")
    answer = bench.call("GET", "/v1/session", carried=cookie("__Host-cf_web", changed))
    yield Exchange(
        what="A request with it", answer=answer.expect(401, "session_unknown"), who="Attacker"
    )
    if answer.store:
        raise NotAsSaid("A handle with a bad tag was looked up.")
    yield Note("Nothing was looked up: its tag does not fit.")
    whole = bench.who(given).expect(200)
    yield Exchange(what="Ann's own token is as good as ever", answer=whole)
    yield Sides(
        (
            ("Ann sees", "nothing."),
            ("The administrator sees", "the codes in the log and in the metrics, by strategy."),
            ("What limits it", "No forgery is worth anything without the issuer's private key."),
            (
                "Settings",
                "algorithm, per client. One key has one algorithm; the token never chooses.",
            ),
        )
    )
    yield Verdict(
        "held",
        f"{len(forgeries)} forgeries, each refused at both places.",
        "The algorithm is the key's, not the token's; the only keys are the issuer's, by id; and"
        " nothing that a token says is believed before its signature is good.",
    )


def _forgeries(token: str, keys: list[dict[str, Any]]) -> dict[str, str]:
    header, claims, signature = token.split(".")
    said, named = _decoded(claims), _decoded(header)
    more = _encoded({**said, **_ADMIN})
    public = next(each for each in keys if each["kid"] == named["kid"])
    own = jws.generate("ES256")
    return {
        "algorithm none, no signature": f"{_encoded({**named, 'alg': 'none'})}.{more}.",
        "algorithm none, the old signature": f"{_encoded({**named, 'alg': 'none'})}.{more}."
        f"{signature}",
        "key confusion: HS256, the public key as secret": _confused(named, more, public),
        "a claim changed: the role admin": f"{header}.{more}.{signature}",
        "a claim changed: it expires ten years later": f"{header}."
        f"{_encoded({**said, 'exp': said['exp'] + _LATER})}.{signature}",
        "signed with a key of one's own, under the issuer's id": jws.sign(
            _bytes({**said, **_ADMIN}), own, kid=named["kid"], typ=named["typ"]
        ),
        "signed with a key of one's own, under a new id": jws.sign(
            _bytes({**said, **_ADMIN}), own, kid="mallory", typ=named["typ"]
        ),
        "the key brought along in the header": _bringing(named, more, own),
    }


def _confused(named: dict[str, Any], claims: str, public: dict[str, Any]) -> str:
    message = f"{_encoded({**named, 'alg': 'HS256'})}.{claims}"
    secret = json.dumps(public).encode()
    return f"{message}.{_base64(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def _bringing(named: dict[str, Any], claims: str, own: jws.PrivateMaterial) -> str:
    message = f"{_encoded({**named, 'jwk': own.public().to_jwk()})}.{claims}"
    return f"{message}.{_base64(own.signature(message.encode()))}"


def _decoded(segment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


def _bytes(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def _encoded(members: dict[str, Any]) -> str:
    return _base64(_bytes(members))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


EXPERIMENT: Final = Experiment(
    slug="altered",
    title="A token is altered",
    question="What if somebody changes what the token says?",
    does=(
        "Ann's token is changed in all the ways that have broken libraries: no algorithm, the"
        " public key taken for a secret, another claim, another key."
    ),
    takes="about 2 seconds",
    run=run,
    reads=(("Tokens and keys", "docs/tokens-and-keys.md"), ("Threats", "docs/threat-model.md")),
)
