from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from cli.terminal import PATIENCE, PROGRAM, Said, environment
from counterfoil.cli.demo.caller import Carried, NotAsSaid
from counterfoil.cli.demo.lookups import between
from counterfoil.cli.demo.outliving import LONGER, Tried, outlived
from counterfoil.cli.demo.three_ways import Measured
from serving import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cli.terminal import Terminal

ACCESS: Final = "6s"
LONG: Final = 180.0  # many demos may be played on few cores
WIDTH: Final = 80
# A whole handle, and a token with its signature or any credential that was not cut.
WHOLE: Final = re.compile(r"cf_[\w-]{30}|eyJ[\w-]{8,}\.")


@dataclass
class Playing:
    """A demo that runs, with a folder of its own for whatever is temporary."""

    process: subprocess.Popen[str]
    place: Path
    out: Path
    err: Path

    def said(self) -> Said:
        code = self.process.wait(LONG)
        return Said(code, self.out.read_text("utf-8"), self.err.read_text("utf-8"))

    def reached(self, words: str) -> None:
        until(lambda: words in self.out.read_text("utf-8"), timeout=LONG)

    def servers(self) -> list[int]:
        """Processes that name a path in this demo's folder for what is temporary."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                told = (entry / "cmdline").read_text() if entry.name.isdecimal() else ""
            except OSError:  # it has ended meanwhile
                continue
            if f"{self.place}/counterfoil-demo-" in told:
                found.append(int(entry.name))
        return found

    def left(self) -> list[Path]:
        return list(self.place.iterdir())


def playing(folder: Path, *arguments: str) -> Playing:
    place = folder / "temporary"
    place.mkdir()
    out, err = folder / "out", folder / "err"
    with out.open("w") as told, err.open("w") as said:
        process = subprocess.Popen(
            [*PROGRAM, "demo", "--access-lifetime", ACCESS, *arguments],
            cwd=folder,
            env=environment(TMPDIR=str(place), COUNTERFOIL_HOST="203.0.113.7", COLUMNS=str(WIDTH)),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=said,
            text=True,
        )
    return Playing(process, place, out, err)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Playing, Playing]]:
    """The demo for people and the demo for programs, played at the same time."""
    running = (
        playing(tmp_path_factory.mktemp("text")),
        playing(tmp_path_factory.mktemp("json"), "--json"),
    )
    yield running
    for each in running:
        each.process.terminate()
        each.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def text(both: tuple[Playing, Playing]) -> Said:
    return both[0].said()


@pytest.fixture(scope="module")
def figures(both: tuple[Playing, Playing]) -> dict[str, Any]:
    said = both[1].said()
    assert said.code == 0, said
    answer: dict[str, Any] = json.loads(said.out)
    return answer


@pytest.fixture
def interrupted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], Playing]]:
    """Starts demos of the test's own, which end with it, whatever they leave."""
    running: list[Playing] = []

    def begin() -> Playing:
        running.append(playing(tmp_path_factory.mktemp("interrupted")))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait(PATIENCE)
        for server in each.servers():
            os.kill(server, signal.SIGKILL)


def test_every_step_does_what_it_says(text: Said, figures: dict[str, Any]) -> None:
    """It ends with code 0 and says so; the settings of a server that may be configured here do not
    concern it."""
    assert text.code == 0, text
    assert "Every promise was kept" in text.out
    assert text.err == ""
    assert figures["as_said"] is True
    assert figures["not_as_said"] == []


def test_no_credential_outlives_its_promise(figures: dict[str, Any]) -> None:
    """At all three strategies the last check that accepted began no later than L after the
    acknowledgement; session and hybrid are refused at the first call."""
    found = {each["strategy"]: each for each in figures["strategies"]}
    assert list(found) == ["session", "hybrid", "jwt"]
    for each in found.values():
        assert each["outlived_seconds"] <= each["promised_seconds"]
        assert each["promise_kept"] is True
    assert [found[name]["outlived_seconds"] for name in ("session", "hybrid")] == [0, 0]
    assert [found[name]["promised_seconds"] for name in ("session", "hybrid")] == [0, 10]
    assert found["hybrid"]["verifiers"]["issuer"]["code"] == "session_revoked"


def test_a_jwt_really_lives_on_and_really_dies(figures: dict[str, Any]) -> None:
    """The plain token is accepted after the revocation by the issuer and by a Verifier in another
    service, and refused by both when it expires."""
    found = figures["strategies"][2]
    assert found["verifiers"].keys() == {"issuer", "verifier"}
    for verifier in found["verifiers"].values():
        assert verifier["accepted_after_revocation"] > 0
        assert 0 < verifier["last_accepted_seconds"] < verifier["first_refused_seconds"]
        assert verifier["code"] == "credential_expired"
    assert 0 < found["outlived_seconds"] <= found["promised_seconds"] <= 6


def test_what_travels_is_weighed(figures: dict[str, Any]) -> None:
    """A cookie with a handle is small, a token large, and a status makes it larger."""
    session, hybrid, jwt = (each["wire_bytes"] for each in figures["strategies"])
    assert session == len("Cookie: __Host-cf_web=\r\n") + 63
    assert 400 < jwt < hybrid < 800


def test_look_ups_are_the_servers_own_count(figures: dict[str, Any]) -> None:
    """Session reads the store once for each check; the others read nothing for it."""
    session, *others = (each["store_calls_per_check"] for each in figures["strategies"])
    assert 1 <= session < 1.5
    assert others == [0, 0]


def test_roles_replies_and_thieves(figures: dict[str, Any]) -> None:
    """Other roles make the token stale and end no session, a repeated refresh gives the same
    successor, and a stolen handle ends the family and is told."""
    changed, lost, stolen = (
        figures[name] for name in ("role_change", "lost_reply", "stolen_handle")
    )
    assert changed["code"] == "claims_stale"
    assert changed["roles"] == ["editor"]
    assert changed["same_session"] is True
    assert changed["refused_after_seconds"] <= changed["promised_seconds"]
    assert lost == {"same_successor": True, "same_session": True, "event": "refresh_repeated"}
    assert stolen["owner"] == stolen["event"] == "refresh_reused"
    assert stolen["thief"] == stolen["thief_refreshing"] == "session_revoked"


def test_the_story_fits_and_can_be_pasted(text: Said) -> None:
    """At 80 columns no line is longer; off a terminal there is no colour; and no credential, no
    part of a signature and no password stands there whole."""
    assert max(map(len, text.out.splitlines())) <= WIDTH
    assert "\x1b" not in text.out
    assert WHOLE.findall(text.out) == []
    assert "password" not in text.out
    table = text.out.partition("What it comes to")[2]
    assert re.search(r"^strategy +on the wire .*outlived +promised L", table, re.MULTILINE)
    assert re.search(r"^jwt +\d+ bytes .*\d\.\d\d s +\d s", table, re.MULTILINE)


def test_nothing_is_left_behind(both: tuple[Playing, Playing], text: Said) -> None:
    """The server has ended, and its folder is gone."""
    assert text.code == 0
    both[1].process.wait(LONG)
    assert [each.servers() for each in both] == [[], []]
    assert [each.left() for each in both] == [[], []]


def test_stopped_in_the_middle_it_leaves_nothing(interrupted: Callable[[], Playing]) -> None:
    """Ctrl-C and SIGTERM end the server too, and clear its folder away, also when they come
    twice."""
    how = {signal.SIGINT: 130, signal.SIGTERM: 143}
    running = {each: interrupted() for each in how}
    for each, demo in running.items():
        demo.reached("session: an opaque handle")
        assert len(demo.servers()) == 1
        demo.process.send_signal(each)
        time.sleep(0.02)
        demo.process.send_signal(each)
    for each, code in how.items():
        said = running[each].said()
        assert said.code == code
        assert "Traceback" not in said.err
        assert running[each].servers() == []
        assert running[each].left() == []


def test_stopped_at_the_very_start_it_leaves_nothing(interrupted: Callable[[], Playing]) -> None:
    """By a terminal that is closed as soon as the server's process is there."""
    demo = interrupted()
    until(demo.servers, timeout=LONG)
    demo.process.send_signal(signal.SIGHUP)
    assert demo.said().code == 129
    assert demo.servers() == []
    assert demo.left() == []


def test_without_its_server_the_demo_fails(interrupted: Callable[[], Playing]) -> None:
    """What was not as said is told, the code is 1, and nothing is left."""
    demo = interrupted()
    demo.reached("session: an opaque handle")
    for server in demo.servers():
        os.kill(server, signal.SIGKILL)
    said = demo.said()
    assert said.code == 1
    assert "The server does not answer" in said.out + said.err
    assert "Every promise was kept" not in said.out
    assert demo.left() == []


def outlives(lives: float, promised: float) -> Any:
    """A verifier that goes on accepting for a while, asked until it refuses."""
    began = time.monotonic()

    def check() -> Tried:
        now = time.monotonic()
        return Tried(now, "" if now - began < lives else "session_revoked")

    return outlived(
        {"issuer": check}, since=began, promised=promised, noting=lambda _at, _times: None
    )["issuer"]


def test_what_outlives_its_promise_is_found() -> None:
    """The figures are the verifier's doing: one that accepts for longer breaks the promise, and
    one that never refuses is given up."""
    found = outlives(0.3, promised=0.0)
    assert found.accepted > 1
    assert 0.2 < found.last_accepted <= 0.3 <= found.first_refused < 1
    measured = Measured(
        strategy="session",
        client_id="web",
        wire_bytes=87,
        check_milliseconds=1.0,
        looked_up=None,
        promised=0.0,
        elsewhere=0.0,
        outlived={"issuer": found},
    )
    assert not measured.is_kept
    assert replace(measured, promised=1.0).is_kept
    with pytest.raises(NotAsSaid, match="still accepts the credential"):
        outlives(LONGER + 10, promised=0.0)


def test_look_ups_are_told_only_where_they_are_counted() -> None:
    """Without a count there is no figure, nought included; what the server reads for itself is no
    look-up of a check."""
    none: Counter[str] = Counter()
    assert between(None, None, checks=20) is None
    assert between(none, none, checks=20) is None
    before, after = Counter(look_up=3, feed=8), Counter(look_up=23, feed=40)
    found = between(before, after, checks=20)
    assert found is not None
    assert found.calls == {"look_up": 20}
    assert found.per_check == 1


def test_a_credential_is_shown_cut_short() -> None:
    """Of its text ten characters are left, and none in a repr."""
    carried = Carried("Authorization", "Bearer cf_" + "x" * 60, "cf_" + "x" * 60)
    assert carried.shown == "Authorization: Bearer cf_xxxxxxx…"
    assert "xxx" not in repr(carried)
    assert carried.bytes_on_the_wire == len("Authorization: Bearer \r\n") + 63


@pytest.mark.parametrize("span", ["1s", "an hour", "10m"])
def test_a_lifetime_that_cannot_be_waited_for_is_refused(span: str, terminal: Terminal) -> None:
    """Before anything is started."""
    said = terminal("demo", "--access-lifetime", span)
    assert said == Said(2, "", "Give --access-lifetime as 2s to 5m.\n")
