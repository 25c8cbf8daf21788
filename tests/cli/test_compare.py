from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # has none

from browsers import chromium
from cli.terminal import PROGRAM, Said, environment
from postgresql import postgres_server
from serving import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cli.terminal import Terminal

LONG: Final = 180.0  # many measure at once on few cores
STRATEGIES: Final = ["session", "hybrid", "jwt"]


@dataclass
class Comparing:
    """A comparison that runs, with a folder of its own for whatever is temporary."""

    process: subprocess.Popen[str]
    place: Path
    out: Path
    err: Path
    html: Path

    def said(self) -> Said:
        code = self.process.wait(LONG)
        return Said(code, self.out.read_text("utf-8"), self.err.read_text("utf-8"))

    def reached(self, words: str) -> None:
        until(lambda: words in self.err.read_text("utf-8"), timeout=LONG)

    def servers(self) -> list[int]:
        """Processes that name a path in this one's folder for what is temporary."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                told = (entry / "cmdline").read_text() if entry.name.isdecimal() else ""
            except OSError:  # it has ended meanwhile
                continue
            if f"{self.place}/" in told:
                found.append(int(entry.name))
        return found


def comparing(folder: Path, *arguments: str) -> Comparing:
    place = folder / "temporary"
    place.mkdir()
    out, err, html = folder / "out", folder / "err", folder / "page.html"
    with out.open("w") as told, err.open("w") as said:
        process = subprocess.Popen(
            [*PROGRAM, "compare", "--quick", "--html", str(html), *arguments],
            cwd=folder,
            env=environment(TMPDIR=str(place), COUNTERFOIL_HOST="203.0.113.7", COLUMNS="88"),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=said,
            text=True,
        )
    return Comparing(process, place, out, err, html)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Comparing:
    """It is really run, once for all of these tests; its figures are JSON, its plots a page."""
    found = comparing(tmp_path_factory.mktemp("compared"), "--json")
    found.said()
    return found


@pytest.fixture(scope="module")
def figures(once: Comparing) -> dict[str, Any]:
    said = once.said()
    assert said.code == 0, said
    told: dict[str, Any] = json.loads(said.out)
    return told


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[Callable[..., Comparing]]:
    running: list[Comparing] = []

    def begin(*arguments: str) -> Comparing:
        running.append(comparing(tmp_path, *arguments))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait(LONG)
        for server in each.servers():
            os.kill(server, signal.SIGKILL)


def by_strategy(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {row["strategy"]: row for row in rows}
    assert list(found) == STRATEGIES
    return found


def test_it_says_what_it_measures_and_leaves_nothing(once: Comparing) -> None:
    """A line for each chapter where no terminal watches; then no process and no file is left."""
    said = once.said()
    assert said.code == 0, said
    assert said.err.splitlines() == [
        "Starting a server of its own …",
        "One request …",
        "From a revocation to the first refusal …",
        "Without the store …",
        "Without the network …",
        "From a thousand sessions to a million …",
        f"Wrote {once.html}.",
    ]
    assert list(once.place.iterdir()) == []
    assert once.servers() == []


def test_only_a_session_reads_the_store_and_only_a_token_is_heavy(figures: dict[str, Any]) -> None:
    """Reads are what the server counted; bytes are whole header lines; a token is checked in
    another service in a small part of what asking the issuer takes."""
    found = by_strategy(figures["per_request"])
    assert [found[name]["store_calls"] for name in STRATEGIES] == [1, 0, 0]
    for name in ("hybrid", "jwt"):
        assert found[name]["bearer_bytes"] > 4 * found["session"]["bearer_bytes"]
        assert found[name]["cookie_bytes"] > 4 * found["session"]["cookie_bytes"]
        assert found[name]["elsewhere"]["p50"] < found["session"]["elsewhere"]["p50"] / 10
        assert found[name]["elsewhere"]["p50"] < found[name]["new_token"]["p50"]
    for each in found.values():
        assert 0 < each["at_issuer"]["p50"] <= each["at_issuer"]["p99"]


def test_no_credential_outlives_its_promise(figures: dict[str, Any]) -> None:
    """With a network that is well session and hybrid are refused at once, at the issuer and in
    another service; a jwt really lives on, and really dies."""
    assert figures["promises_broken"] == []
    assert [(each["strategy"], each["where"]) for each in figures["refusals"]] == [
        (name, where) for name in STRATEGIES for where in ("issuer", "another service")
    ]
    for each in figures["refusals"]:
        assert each["last_accepted"] <= each["promised"]
        if each["strategy"] == "jwt":
            assert each["accepted"] > 0
            assert each["code"] == "credential_expired"
        else:
            assert each["code"] == "session_revoked"
    session = [each for each in figures["refusals"] if each["strategy"] == "session"]
    assert [each["accepted"] for each in session] == [0, 0]


def test_without_the_store_each_does_what_its_strategy_says(figures: dict[str, Any]) -> None:
    """A session is refused with 503, hybrid goes on for its bound and is refused then, jwt goes on;
    all are accepted again once the store is back."""
    found = by_strategy(figures["without_store"])
    assert found["session"]["then"] == "store_unavailable"
    assert found["session"]["went_on"] < 0.9, "it is noticed five times a second"
    assert found["hybrid"]["then"] == "status_stale"
    assert 0 < found["hybrid"]["went_on"] < found["hybrid"]["away"]
    assert found["jwt"]["then"] == ""
    for each in found.values():
        assert each["spans"][-1]["code"] == ""
        assert {span["code"] for span in each["spans"]} <= {
            "",
            "store_unavailable",
            "status_stale",
        }


def test_cut_off_a_service_refuses_by_itself_in_time(figures: dict[str, Any]) -> None:
    """All are revoked at the issuer, of which the service cannot hear. session cannot be known at
    once; hybrid is refused within its bound; jwt at its expiry. Healed, it hears of it."""
    found = by_strategy(figures["without_network"])
    assert found["session"]["went_on"] < 0.1
    assert found["session"]["then"] == "issuer_unavailable"
    assert found["hybrid"]["then"] == "status_stale"
    assert found["jwt"]["then"] == "credential_expired"
    for each in found.values():
        assert each["went_on"] <= each["revoked_at"] + each["promised"]
    for name in ("session", "hybrid"):
        assert found[name]["spans"][-1]["code"] == "session_revoked"


def test_what_is_projected_is_marked(figures: dict[str, Any]) -> None:
    """A thousand sessions are measured; a million are not within seconds, and say so."""
    found = {each["sessions"]: each for each in figures["sizes"]}
    assert found[1_000]["is_measured"]
    assert not found[1_000_000]["is_measured"]
    assert found[1_000_000]["store_bytes"] > 100 * found[1_000]["store_bytes"]
    assert found[1_000_000]["start_bytes"] < 2 * found[1_000]["start_bytes"]


class Outline(HTMLParser):
    """What a page has: its elements, the pictures' titles, and what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.named: list[str] = []
        self.ids: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        found = dict(attrs)
        self.ids |= {str(found["id"])} if "id" in found else set()
        if tag == "svg":
            self.named += str(found["aria-labelledby"]).split()
        self.fetched += [str(found[name]) for name in ("src", "href") if name in found]


def test_the_page_stands_alone(once: Comparing) -> None:
    """No script, nothing that is fetched; each picture has a title and says what it shows, and each
    section has a table. It is laid out for light and for dark."""
    text = once.html.read_text("utf-8")
    outline = Outline()
    outline.feed(text)
    assert outline.fetched == []
    assert "script" not in outline.counts
    assert "url(" not in text
    assert outline.counts["svg"] == outline.counts["desc"] == outline.counts["figure"] == 7
    assert outline.counts["table"] == outline.counts["section"] == 5
    assert set(outline.named) <= outline.ids
    assert "prefers-color-scheme: dark" in text
    assert "projected" in text
    assert not re.search(r"cf_[\w-]{20}|eyJ[\w-]{20}", text), "no credential"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_by_everybody(once: Comparing, scheme: str) -> None:
    """Axe finds nothing in a real browser, light and dark, and nothing is wider than the window."""
    with chromium() as browser:
        page = browser.new_context(color_scheme=scheme).new_page()  # type: ignore[arg-type]
        page.goto(once.html.as_uri())
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.set_viewport_size({"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_interrupted_it_leaves_nothing(interrupted: Callable[..., Comparing]) -> None:
    """Ctrl-C in the middle: one sentence, the code of an interruption, no process, no file."""
    running = interrupted()
    running.reached("From a revocation")
    running.process.send_signal(signal.SIGINT)
    said = running.said()
    assert said.code == 130
    assert said.out == ""
    assert said.err.splitlines()[-1] == "Stopped. The server has ended, and nothing of it is left."
    assert list(running.place.iterdir()) == []
    assert running.servers() == []
    assert not running.html.exists()


def test_on_postgresql_it_has_a_schema_of_its_own(interrupted: Callable[..., Comparing]) -> None:
    """Which is dropped at the end. The connections are really ended, and only the comparison's."""
    with postgres_server() as server, psycopg.connect(server.url, autocommit=True) as other:
        said = interrupted("--store", server.url).said()
        assert said.code == 0, said
        assert "Store: PostgreSQL" in said.out
        assert "every connection to it is ended, and none is taken" in " ".join(said.out.split())
        assert "store_unavailable" in said.out
        left = other.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'counterfoil%'")
        assert left.fetchall() == []


def test_what_cannot_work_is_told_before_anything_is_started(terminal: Terminal) -> None:
    """A page that cannot be written, a store that is none: one sentence, and code 2."""
    said = terminal("compare", "--quick", "--html", "nowhere/page.html")
    assert (said.code, said.out) == (2, "")
    assert "Give --html a file that can be written" in said.err
    said = terminal("compare", "--quick", "--store", "mysql://somewhere")
    assert said.code == 2
    assert "postgresql://" in said.err
    said = terminal("compare", "--quick", "--store", "postgresql://nobody:hidden@127.0.0.1:1/none")
    assert said.code == 2
    assert "Give --store a PostgreSQL that answers" in said.err
    assert "hidden" not in said.err
