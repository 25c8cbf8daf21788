from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from counterfoil import Counterfoil, JwtStrategy, KeyFiles, Lifetime
from counterfoil.testing.clock import FrozenClock
from examples.running import Example, example, free_port
from live import Person, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live import Answer, Device

ANN: Final = ("ann", "nine otters juggle")
PATIENT: Final = ("--keys-max-age", "6s")  # fetched every two seconds or sooner
HASTY: Final = ("--keys-max-age", "2s")
LOST: Final = "The issuer's (keys|status) cannot be (fetched|read) from .*: .*"
# uvicorn says so of every handshake that is refused with an answer.
REFUSED: Final = "ERROR:    ASGI callable returned without completing handshake."


class Pair(NamedTuple):
    """The issuer, the service that checks its tokens, and what that said to those who typed in
    the commands that it prints."""

    notes: Example
    reports: Example
    printed: list[str]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with (
        example("notes", folder) as notes,
        example(
            "reports", folder, *of(notes.url), *PATIENT, grumbles=f"{LOST}|{REFUSED}"
        ) as reports,
    ):
        until(lambda: reports.call("GET", "/healthz").status == 200)
        yield Pair(notes, reports, reports.type_in())


def of(issuer: str) -> tuple[str, ...]:
    return ("--issuer", issuer, "--audience", "reports")


def signed_in(pair: Pair) -> Device:
    return Person(pair.notes, *ANN, "").sign_in("reports")


def read(pair: Pair, token: str) -> Answer:
    return pair.reports.call("GET", "/reports", headers={"Authorization": f"Bearer {token}"})


def burn(pair: Pair, token: str, number: int) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    return pair.reports.call("DELETE", f"/reports/{number}", headers=headers)


async def token_of(
    pair: Pair, *, ago: timedelta = timedelta(0), audience: str = "reports", hours: int = 1
) -> str:
    """A token that the issuer's keys have signed, as one who holds them can."""
    auth = Counterfoil(
        issuer=pair.notes.url,
        keys=KeyFiles(pair.notes.data / "keys"),
        strategy=JwtStrategy(audience=audience, lifetime=Lifetime(access=timedelta(hours=hours))),
        claims=lambda _: ["admin"],
        clock=FrozenClock(datetime.now(UTC) - ago),
    )
    return (await auth.open("somebody")).credential.token


def test_the_printed_commands_do_what_they_say(pair: Pair) -> None:
    """Typed in, they read, burn a report, follow the news, sign out, and then read in vain."""
    registered, health, nobody, listed, burnt, ended, refused = map(json.loads, pair.printed)
    assert "subject" in registered
    assert health["keys"] == "known"
    assert nobody["code"] == "credential_missing"
    assert listed["roles"] == ["admin"]
    assert burnt["burnt"] == listed["reports"]["1"]
    assert 0 < ended["effective_within_seconds"] <= 10
    assert refused["code"] == "session_revoked"


async def test_a_token_is_refused_for_what_is_wrong_with_it(pair: Pair) -> None:
    """Another audience, an expired token, the cookie of notes, and no token at all."""
    assert read(pair, await token_of(pair)).status == 200
    assert read(pair, await token_of(pair, audience="notes")).code == "wrong_audience"
    assert read(pair, await token_of(pair, ago=timedelta(hours=2))).code == "credential_expired"
    (cookie,) = Person(pair.notes, *ANN, "").sign_in("notes").cookies.values()
    assert read(pair, cookie).code == "credential_malformed"
    assert read(pair, "a.b.c").code == "credential_malformed"
    answer = pair.reports.call("GET", "/reports", headers={"Cookie": f"__Host-cf_notes={cookie}"})
    assert answer.code == "credential_missing"


async def test_only_a_recent_administrator_burns(pair: Pair) -> None:
    """Who has not the role, and who proved who they are some time ago, is refused."""
    other = pair.notes.person().sign_in("reports")
    assert burn(pair, other.token, 2).code == "forbidden"
    assert burn(pair, await token_of(pair, ago=timedelta(minutes=6)), 2).code == "step_up_required"


async def test_a_session_that_the_issuer_does_not_keep_burns_nothing(pair: Pair) -> None:
    """A plain JWT of the issuer's own keys, but of no session, names no status that could be known;
    it reads, and is refused where it counts."""
    token = await token_of(pair)
    assert read(pair, token).status == 200
    assert burn(pair, token, 2).code in {"session_unknown", "client_unknown"}


def test_signed_out_a_token_is_refused_at_the_next_call(pair: Pair) -> None:
    """The service asks nobody when it checks, and knows all the same."""
    for _ in range(5):
        device = signed_in(pair)
        assert read(pair, device.token).status == 200
        assert device.sign_out().status == 200
        assert read(pair, device.token).code == "session_revoked"


def test_a_role_change_makes_old_tokens_stale(pair: Pair) -> None:
    """One who lost a role burns nothing with a token from before, and a refresh brings a token
    that says what they are now."""
    person = pair.notes.person()
    administrator = Person(pair.notes, *ANN, "").sign_in("notes")
    path = f"/people/{person.identifier}/roles"
    assert administrator.call("PUT", path, ["admin"]).status == 200
    device = person.sign_in("reports")
    assert administrator.call("PUT", path, []).json["sessions"] == 1
    assert read(pair, device.token).code == "claims_stale"
    assert burn(pair, device.token, 2).code == "claims_stale"
    assert device.refresh().status == 200
    assert read(pair, device.token).json["roles"] == []


def test_a_websocket_closes_when_its_session_ends(pair: Pair) -> None:
    """With a code and a reason, and not only when somebody says something."""
    device = signed_in(pair)
    url = f"ws://localhost:{pair.reports.port}/live"
    headers = {"Authorization": f"Bearer {device.token}"}
    with connect(url, additional_headers=headers) as socket:
        socket.send("herrings")
        assert str(socket.recv()).endswith("said herrings")
        assert device.sign_out().status == 200
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (3000, "session_revoked")
    with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers):
        pass
    assert refused.value.response.status_code == 401


def test_a_distrusted_key_is_refused(pair: Pair) -> None:
    """Once the issuer distrusts its key, tokens of it are refused, and new ones accepted."""
    old = signed_in(pair).token
    assert read(pair, old).status == 200
    keys = KeyFiles(pair.notes.data / "keys")
    kid = keys.signing_keys().active("ES256").kid
    keys.update(lambda found: found.distrust(kid, now=datetime.now(UTC)))
    until(lambda: read(pair, old).code == "key_unknown")
    assert read(pair, signed_in(pair).token).status == 200


def test_an_issuer_that_is_away_is_an_outage_and_no_refusal(tmp_path: Path) -> None:
    """Before the issuer is there, and once it was away for longer than keys_max_age, the service
    knows nobody and answers 503. What asks the issuer does so at once."""
    port = free_port()
    with example(
        "reports", tmp_path, *of(f"http://localhost:{port}"), *HASTY, grumbles=LOST
    ) as reports:
        assert reports.call("GET", "/healthz").code == "keys_stale"
        with example("notes", tmp_path, port=port) as notes:
            pair = Pair(notes, reports, [])
            notes.call("POST", "/v1/accounts", {"identifier": ANN[0], "password": ANN[1]})
            token = signed_in(pair).token
            assert read(pair, token).code in {"", "keys_stale", "status_stale"}
            until(lambda: read(pair, token).status == 200)
        assert burn(pair, token, 1).status == 503
        until(lambda: read(pair, token).code == "keys_stale")
        assert reports.call("GET", "/healthz").code == "keys_stale"
        assert read(pair, token).header("retry-after")
