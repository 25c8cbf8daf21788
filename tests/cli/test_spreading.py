"""`counterfoil sessions revoke --wait`: beside a running server, until no verifier accepts it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import httpx2
import pytest

from cli.terminal import PROGRAM, Served, environment, start
from counterfoil import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator

L: Final = 2.0  # seconds
NONCE: Final = "A" * 22
MOMENT: Final = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two services that are known by name: `billing` follows, `search` asks and asks
    and never comes to know anything."""
    served = start(tmp_path_factory.mktemp("followed"), "--dev", "--max-staleness", f"{L:g}s")
    billing, search = (secret_of(served, name) for name in ("billing", "search"))
    over = Event()
    lagging = Thread(target=lag, args=(served, ("search", search), over))
    with Verifier(issuer=served.url, audience="api", client=("billing", billing)):
        lagging.start()
        yield served
        over.set()
        lagging.join()
    served.stop()


def secret_of(served: Served, name: str) -> str:
    """The command answers on standard output with the secret alone on its last line."""
    said = served.run("clients", "add", name, "--strategy", "jwt", "--audience", "api", "--secret")
    assert said.code == 0, said
    return said.out.split()[-1]


def lag(served: Served, client: tuple[str, str], over: Event) -> None:
    while not over.wait(0.3):
        place = f"{served.url}/status/feed?nonce={NONCE}&verifier=lagging"
        httpx2.get(place, auth=client)


def session(served: Served, client: str = "api") -> str:
    return str(served.signed_in(served.registered(), client)["session"]["id"])


def test_it_returns_when_no_verifier_accepts_it(followed: Served) -> None:
    """Who has confirmed is talked about meanwhile, and who has not is named at the end; the result
    says since when it holds."""
    began = time.monotonic()
    said = followed.run("sessions", "revoke", session(followed), "--wait")
    assert time.monotonic() - began >= L
    assert said.code == 0
    told = rf"Ended 1 session: effective since {MOMENT}, elsewhere within 2\d\d s\.\n"
    assert re.fullmatch(told, said.out)
    first, *_, last, missing = said.err.splitlines()
    assert first == "Revoked. In 2 s no verifier accepts it any more; Ctrl-C undoes nothing."
    assert last == "1 of 2 verifiers with a name confirmed."
    assert re.fullmatch(r"search lagging: no, seen \d+ s ago; it refuses by itself\.", missing)


def test_a_program_is_given_the_end_result_alone(followed: Served) -> None:
    """As one object, with who confirmed after how long; nothing on standard error."""
    said = followed.run("sessions", "revoke", session(followed), "--wait", "--json")
    assert (said.code, said.err) == (0, "")
    told = json.loads(said.out)
    assert (told["revoked"], told["effective_within_seconds"]) == (1, 0)
    [confirmed] = told["confirmed"]
    assert (confirmed["client_id"], confirmed["after_seconds"] < L) == ("billing", True)
    [lagging] = told["unconfirmed"]
    assert (lagging["client_id"], lagging["process"]) == ("search", "lagging")
    assert lagging["last_seen_at"].endswith("Z")
    assert told["anonymous"] == 0


def test_on_a_terminal_it_is_a_table_that_changes(followed: Served) -> None:
    """It counts down, shows who has confirmed, and stays when it is over."""
    said = followed.terminal.typing(
        "sessions", "revoke", session(followed), "--wait", "--data", str(followed.data), keys=[]
    )
    assert said.code == 0
    assert "In 2 s no verifier accepts it any more" in said.out
    assert "In 1 s no verifier accepts it any more" in said.out
    end = said.out.rpartition("Revoked. No verifier accepts it any more, since")[2]
    assert re.search(r"billing +\S+ +after \d+ ms", end)
    assert re.search(r"search +lagging +no, seen \d+ s ago; it refuses by itself", end)
    assert re.search(r"\d of \d verifiers with a name confirmed\.", end)
    assert "Ended 1 session: effective since " in end


def test_interrupted_it_says_from_when_it_holds_anyway(followed: Served) -> None:
    """Who waits has no part in it."""
    id_ = session(followed)
    command = [*PROGRAM, "sessions", "revoke", id_, "--wait", "--data", str(followed.data)]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("Revoked.")
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    held = r"The revocation holds all the same: no verifier accepts what it ended from"
    assert re.search(rf"^Stopped waiting\. {held} {MOMENT} on\.\n\Z", err, re.MULTILINE)
    shown = json.loads(followed.run("sessions", "show", id_, "--json").out)
    assert shown["ended_because"] == "revoked_by_administrator"


def test_where_nothing_is_to_be_waited_for_it_returns_at_once(followed: Served) -> None:
    """The record of `web` is read at every check."""
    said = followed.run("sessions", "revoke", session(followed, "web"), "--wait")
    assert (said.code, said.err) == (0, "")
    assert said.out == "Ended 1 session: effective at once, elsewhere at once.\n"
    again = followed.run("sessions", "revoke", session(followed, "web"), "--wait", "--json")
    told = json.loads(again.out)
    assert (told["effective_within_seconds"], told["confirmed"], told["unconfirmed"]) == (0, [], [])


@pytest.mark.parametrize("option", ["--identifier", "--client"])
def test_all_sessions_of_somebody_can_be_waited_for(followed: Served, option: str) -> None:
    """Of an account, and of a client in batches; a second time there is nothing left to end, and
    the tokens of before count."""
    name = followed.registered()
    followed.signed_in(name)
    whose = name if option == "--identifier" else "api"
    said = followed.run("sessions", "revoke", option, whose, "--wait")
    assert said.code == 0
    assert re.match(r"Ended \d+ sessions?: effective since ", said.out)
    again = followed.run("sessions", "revoke", option, whose, "--wait")
    assert re.match(r"Ended nothing: no session was live \(effective since ", again.out)


def test_a_revocation_that_does_nothing_is_not_waited_for(followed: Served) -> None:
    """What is refused is refused at once."""
    began = time.monotonic()
    said = followed.run("sessions", "revoke", "no-such-session", "--wait")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("not_found:")
    assert time.monotonic() - began < L
