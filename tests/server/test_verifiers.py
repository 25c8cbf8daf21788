"""Verifiers with a name: proven by a client's secret, listed, counted, and never waited for."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import live
from counterfoil import Verifier
from counterfoil.errors import ConfigurationError, IssuerUnavailable
from counterfoil.server.verifiers.authentication import GOOD_FOR
from programs import basic, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NONCE = "A" * 22
LIST = "/v1/admin/verifiers"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server whose verifiers may be a second behind."""
    data = tmp_path_factory.mktemp("followed") / "data"
    with live.serving(data, max_staleness=timedelta(seconds=1)) as site:
        yield site


def verifier(site: live.Site, client: tuple[str, str] | None = None) -> Verifier:
    return Verifier(issuer=site.url, audience="api", client=client)


def poll(
    site: live.Site, headers: dict[str, str] | None = None, *, process: str = "by-hand", **more: str
) -> live.Answer:
    query = urlencode({"nonce": NONCE, "verifier": process, **more})
    return site.call("GET", f"/status/feed?{query}", headers=headers or {})


def metric(site: live.Site, name: str) -> float:
    """A sample, zero where it is not there yet."""
    lines = site.call("GET", "/metrics").raw.decode().splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0.0)


def answers(site: live.Site, kind: str) -> float:
    return metric(site, f'counterfoil_feed_answers_total{{kind="{kind}"}}')


def is_nowhere(secret: str, site: live.Site) -> bool:
    """Neither in what the server keeps, nor in what it tells."""
    kept = b"".join(file.read_bytes() for file in site.data.iterdir() if file.is_file())
    told = site.administrator().call("GET", LIST).raw + site.call("GET", "/metrics").raw
    return secret.encode() not in kept + told


def listed(site: live.Site, process: str | None = None) -> list[dict[str, Any]]:
    told = site.administrator().call("GET", LIST).json["verifiers"]
    return [each for each in told if process in (None, each["process"])]


def test_a_verifier_is_listed_by_the_client_whose_secret_it_has(followed: live.Site) -> None:
    """Each process of it, with how far it has come; and whether that is all that there is."""
    ours = program(followed, "partner")
    with verifier(followed, (ours.client_id, ours.secret)) as known:
        live.until(lambda: any(each["current"] for each in listed(followed)))
        [told] = [each for each in listed(followed) if each["current"]]
        assert told["client_id"] == "partner"
        position = known.knowledge.position
        assert position is not None
        assert told["position"] == {"epoch": position.epoch, "number": position.number}
        assert told["connected_since"] <= told["last_seen_at"]
        whole = followed.administrator().call("GET", LIST).json
        assert whole["position"] == told["position"]


def test_a_verifier_that_lags_is_listed_as_such(followed: live.Site) -> None:
    """It presents an older position, or none yet: it does not know all that the feed tells."""
    ours = program(followed, "phone")
    assert poll(followed, ours.headers(), process="cold").status == 200
    [cold] = listed(followed, "cold")
    assert (cold["position"], cold["current"], cold["waiting"]) == (None, False, False)
    now = followed.administrator().call("GET", LIST).json["position"]
    place = {"epoch": now["epoch"], "number": str(now["number"])}
    assert poll(followed, ours.headers(), process="warm", **place).status == 200
    assert listed(followed, "warm")[0]["current"]
    assert followed.person().sign_in("api").sign_out().json["revoked"] == 1
    assert not listed(followed, "warm")[0]["current"]


def test_without_a_secret_it_is_counted_and_not_listed(followed: live.Site) -> None:
    """Nobody has to have a name, and a made-up one is none."""
    before = followed.administrator().call("GET", LIST).json["anonymous"]
    assert poll(followed, process="nobody").status == 200
    assert poll(followed, process="somebody").status == 200
    told = followed.administrator().call("GET", LIST).json
    assert told["anonymous"] >= before + 2
    assert not {"nobody", "somebody"} & {each["process"] for each in told["verifiers"]}
    assert metric(followed, "counterfoil_verifiers_anonymous") >= 2


@pytest.mark.parametrize(
    "header",
    [
        basic("api", "cfs_" + "A" * 43),
        basic("nobody", "cfs_" + "A" * 43),
        {"Authorization": "Basic !"},
        {"Authorization": "Bearer eyJ"},
    ],
)
def test_what_proves_nothing_is_refused_with_the_challenge(
    followed: live.Site, header: dict[str, str]
) -> None:
    """It is not answered as somebody without a name: who gives one wants to be known by it."""
    answer = poll(followed, header, process="wrong")
    assert (answer.status, answer.code) == (401, "client_refused")
    assert answer.header("www-authenticate") == 'Basic realm="counterfoil", charset="UTF-8"'
    assert listed(followed, "wrong") == []
    twice = [*header.items(), *header.items()]
    doubled = followed.call("GET", f"/status/feed?nonce={NONCE}", headers=twice)
    assert (doubled.status, doubled.code) == (400, "malformed")


def test_a_verifier_with_a_wrong_secret_says_so(followed: live.Site) -> None:
    """It knows nothing, and tells why to who waits for it."""
    with pytest.raises(IssuerUnavailable, match="refuses this verifier's client_id and secret"):
        verifier(followed, ("api", "cfs_" + "A" * 43)).__enter__()


@pytest.mark.parametrize("client", [("api",), "api:secret", ("api", ""), ("", "x"), ("api", 7)])
def test_a_name_that_cannot_be_one_is_refused_when_the_verifier_is_made(client: Any) -> None:
    """Not at the first poll, where nobody looks."""
    with pytest.raises(ConfigurationError, match="client"):
        Verifier(issuer="https://app.example", audience="api", client=client)


def test_a_revoked_secret_is_refused_within_a_second(followed: live.Site) -> None:
    """What it proved is remembered for so long, and no longer; a new one is good at once."""
    ours = program(followed, "spa")
    assert poll(followed, ours.headers()).status == 200
    again = program(followed, "spa")
    assert poll(followed, again.headers()).status == 200
    time.sleep(GOOD_FOR)
    assert poll(followed, ours.headers()).status == 401
    assert poll(followed, again.headers()).status == 200


def test_guesses_are_slowed_and_noted_and_a_right_secret_never_waits(tmp_path: Path) -> None:
    """As at /oauth, and counted together with what is guessed there."""
    with live.serving(tmp_path / "data") as site:
        ours = program(site)
        wrong = [poll(site, basic("api", "cfs_wrong")).status for _ in range(302)]
        assert wrong == [401] * 300 + [429] * 2
        slowed = poll(site, basic("api", "cfs_wrong"))
        assert (slowed.code, slowed.header("retry-after")) == ("too_many_attempts", "1")
        assert poll(site, ours.headers()).status == 200
        assert answers(site, "refused") == 303
        trail = site.administrator().call("GET", "/v1/admin/events?limit=1000").json["events"]
        refused = [each for each in trail if each["kind"] == "client_refused"]
        assert (len(refused), {each["client_id"] for each in refused}) == (300, {"api"})
        assert is_nowhere(ours.secret, site)


def test_only_administrators_see_the_list(followed: live.Site) -> None:
    """It tells which services there are."""
    assert followed.call("GET", LIST).code == "credential_missing"
    assert followed.person().sign_in("api").call("GET", LIST).code == "forbidden"
    assert followed.administrator().call("GET", f"{LIST}?all=1").code == "malformed"


def test_who_waits_and_what_is_answered_is_counted(followed: live.Site) -> None:
    """By what the answer brings; and how many follow now, with a name and without."""
    ours = program(followed, "partner")
    before = {kind: answers(followed, kind) for kind in ("lists", "news", "nothing")}

    def since(kind: str) -> float:
        return answers(followed, kind) - before[kind]

    with verifier(followed, (ours.client_id, ours.secret)), verifier(followed):
        live.until(lambda: metric(followed, "counterfoil_feed_waiting") >= 2)
        assert since("lists") >= 2
        assert followed.person().sign_in("api").sign_out().json["revoked"] == 1
        live.until(lambda: since("news") >= 2)
        live.until(lambda: since("nothing") >= 2)
        assert metric(followed, "counterfoil_verifiers_named") >= 1
