"""Very many sessions revoked at once, while others go on being used."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from bench.feed.crew import crew
from bench.feed.findings import Aim, Finding, spread
from bench.feed.machine import Disturbance
from bench.feed.node import CLIENT, HOST, Node, Wire, bearer, request, serving, uptime
from counterfoil.cli.compare.passage import Passage, passage
from counterfoil.cli.demo.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.feed.crew import Member
    from bench.feed.node import Entry

WHAT: Final = "all sessions of one client are revoked by one call, while another client's go on"
OTHER: Final = "shop"
HONEST: Final = 50
BEFORE: Final = 5.0  # seconds of traffic before
OK: Final = 200
FROM_ITSELF: Final = "Sec-Fetch-Site: same-origin"


def storm(*, is_quick: bool) -> Iterator[Finding]:
    count = 2_000 if is_quick else 100_000
    with passage() as way:
        options = ("--issuer", f"http://{HOST}:{way.port}", "--access-lifetime", "1h")
        with serving(*options) as node:
            way.leads_to = (HOST, node.port)
            node.add_client(OTHER)
            yield _measured(node, way, count)


def _measured(node: Node, way: Passage, count: int) -> Finding:
    honest, doomed = node.open(HONEST, client_id=OTHER), node.open(count)
    with (
        crew("bearing", node.issuer, OTHER, count=2) as [bearer_of_all, paused],
        crew("calling") as [caller],
        closing(Wire(node.port)) as wire,
    ):
        first = _first(honest, doomed)
        for member in (bearer_of_all, paused):
            member.tell(first)
        caller.tell({"port": node.port, "requests": _requests(node, honest)})
        disturbance = Disturbance()
        time.sleep(BEFORE)
        quiet = _heard(bearer_of_all), _heard(caller)
        os.kill(paused.pid, signal.SIGSTOP)
        before = way.counted()
        sent = uptime()
        status, _ = wire.ask(_revoke_all(node))
        acknowledged = uptime()
        if status != OK:
            raise AssertionError(f"Revoking was answered {status}.")
        loud = _until_refused(bearer_of_all), _heard(caller)
        in_storm = way.counted().since(before)
        os.kill(paused.pid, signal.SIGCONT)
        woken = uptime()
        late = _until_refused(paused)
        others = disturbance.share()
    rows = {
        "checks at the verifier, before": quiet[0]["took"],
        "checks at the verifier, during": loud[0]["took"],
        **_rows(quiet[1]["took"], "before"),
        **_rows(loud[1]["took"], "during"),
    }
    figures = {
        "sessions": count,
        "until acknowledged": acknowledged - sent,
        "from the acknowledgement until all were refused": loud[0]["refused_at"] - acknowledged,
        "answers": in_storm.answers,
        "bytes received": in_storm.received,
        "largest answer": way.counted().largest,
        "until a verifier that slept refused all": late["refused_at"] - woken,
    }
    lines = [f"{name:52}{value:>12,.3f}" for name, value in figures.items()]
    lines += [f"{'':43}{'p50':>9}{'p99':>9}{'worst':>9}  milliseconds"]
    lines += [f"{name:43}{spread(values)}" for name, values in rows.items()]
    aims = [
        Aim("honest credentials refused", 0, [_refused(quiet, loud, late)], always=True),
        Aim(
            "all refused within L of the acknowledgement",
            10,
            [loud[0]["refused_at"] - acknowledged],
            " s",
            always=True,
        ),
    ]
    return Finding(f"feed-storm, {count:,} sessions", WHAT, lines, figures, aims, others)


def _first(honest: Sequence[Entry], doomed: Sequence[Entry]) -> dict[str, Any]:
    return {
        "honest": [entry.token for entry in honest],
        "doomed": [(entry.list_id, entry.place) for entry in doomed],
    }


def _requests(node: Node, honest: Sequence[Entry]) -> dict[str, str]:
    """What honest callers ask of the server: a check without a look-up, and one with."""
    [session] = node.open(1, client_id="web")
    cookie = f"Cookie: __Host-cf_web={session.token}"
    asked = {
        "hybrid": request("GET", f"/v1/check?audience={OTHER}", bearer(honest[0].token)),
        "session": request("GET", "/v1/check?audience=web", cookie, FROM_ITSELF),
    }
    return {f"/v1/check, {name}": sent.decode() for name, sent in asked.items()}


def _revoke_all(node: Node) -> bytes:
    """The call of an administrator, who signs in for it as a client that is not revoked."""
    cookie = (
        Caller(f"http://{HOST}:{node.port}")(
            "POST",
            "/v1/sessions",
            client_id="web",
            identifier="demo",
            password=node.administrators_password,
        )
        .expect(201)
        .cookie
    )
    signed_in = f"Cookie: {str(cookie).partition(';')[0]}"
    return request("DELETE", f"/v1/admin/sessions?client_id={CLIENT}", signed_in, FROM_ITSELF)


def _heard(member: Member) -> dict[str, Any]:
    member.tell({"told": True})
    return member.hear()


def _until_refused(member: Member) -> dict[str, Any]:
    """What it saw until all that were doomed were refused."""
    took, refused = [], []
    while True:
        time.sleep(0.1)
        heard = _heard(member)
        took += heard["took"]
        refused += heard["refused"]
        if heard["refused_at"] is not None:
            return {"took": took, "refused": refused, "refused_at": heard["refused_at"]}


def _rows(took: dict[str, list[float]], when: str) -> dict[str, list[float]]:
    return {f"{name}, {when}": values for name, values in took.items()}


def _refused(quiet: tuple[Any, Any], loud: tuple[Any, Any], late: dict[str, Any]) -> int:
    """All of them; of the verifier that slept, only what is a no, for it may not know for a
    moment."""
    told = [*quiet, *loud]
    slept = [name for name in late["refused"] if name not in {"StatusStale", "KeysStale"}]
    return sum(len(each["refused"]) for each in told) + len(slept)
