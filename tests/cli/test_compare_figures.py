from __future__ import annotations

import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.cli.compare.comparison import Comparison
from counterfoil.cli.compare.depth import FULL
from counterfoil.cli.compare.growth import Size, projected
from counterfoil.cli.compare.latency import PerRequest
from counterfoil.cli.compare.outages import Clock, Outage, Span, outage
from counterfoil.cli.compare.page import page
from counterfoil.cli.compare.passage import HOST, passage
from counterfoil.cli.compare.revocation import Refused
from counterfoil.cli.compare.tables import spelled, tables, verdict, weight
from counterfoil.cli.compare.timing import Timed
from counterfoil.cli.compare.watching import NO_ANSWER, Answer, watching
from counterfoil.cli.demo.caller import NotAsSaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil.cli.compare.passage import Passage
    from counterfoil.cli.demo.outliving import Tried

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
KEPT: Final = Refused(
    strategy="hybrid",
    where="issuer",
    rounds=3,
    accepted=0,
    last_accepted=0.0,
    first_refused=0.001,
    worst=0.002,
    promised=10.0,
    code="session_revoked",
)
CUT: Final = Outage(
    strategy="hybrid",
    taken="network",
    away=12.0,
    went_on=9.5,
    then="status_stale",
    back=0.1,
    revoked_at=0.2,
    promised=10.0,
    spans=(Span(begins=0.0, ends=9.5, code=""), Span(begins=9.5, ends=12.1, code="status_stale")),
)
TIMED: Final = Timed(3, 0.001, 0.002)
SIZE: Final = Size(
    sessions=1_000,
    store_bytes=1e6,
    session_p50=2e-4,
    session_p99=4e-4,
    hybrid_p50=3e-6,
    jwt_p50=1e-6,
    start_seconds=0.2,
    start_bytes=6000,
    is_measured=True,
)
FOUND: Final = Comparison(
    machine="A machine",
    store="A store",
    store_taken="it is gone",
    at=datetime(2026, 1, 2, tzinfo=UTC),
    load=0.5,
    took=60.0,
    depth=FULL,
    per_request=(
        PerRequest(
            strategy="hybrid",
            at_issuer=TIMED,
            elsewhere=TIMED,
            new_token=None,
            store_calls=None,
            cookie_bytes=600,
            bearer_bytes=580,
        ),
    ),
    refusals=(KEPT,),
    without_store=(replace(CUT, taken="store", revoked_at=None),),
    without_network=(CUT,),
    sizes=(SIZE, replace(SIZE, sessions=10**6, is_measured=False)),
)


@pytest.fixture
def way() -> Iterator[Passage]:
    with passage() as found:
        yield found


def test_a_promise_that_was_not_kept_is_told() -> None:
    """By a sentence with what was promised and what was; a refusal for another reason than that it
    was revoked keeps no promise."""
    assert FOUND.broken == ()
    assert list(verdict(FOUND)) == [
        "Every promise was kept. The server has ended; nothing of it is left."
    ]
    late = replace(FOUND, refusals=(replace(KEPT, last_accepted=10.5),))
    assert late.broken == (
        (
            "hybrid (issuer) was accepted 10.50 s after its revocation, then session_revoked;"
            " promised were 10 s."
        ),
    )
    assert tuple(verdict(late)) == late.broken
    assert replace(FOUND, refusals=(replace(KEPT, code="wrong_audience"),)).broken
    assert replace(FOUND, without_network=(replace(CUT, went_on=10.3),)).broken


def test_the_promise_counts_from_the_revocation_and_not_from_the_cut() -> None:
    """What was revoked a second after the cut may go on for a second more."""
    assert not replace(CUT, went_on=10.9).is_kept
    assert replace(CUT, went_on=10.9, revoked_at=1.0).is_kept
    assert replace(CUT, went_on=10.9, revoked_at=None).is_kept, "nothing was revoked"


def test_an_outage_is_told_from_the_answers() -> None:
    """Until when it was accepted, what followed, and how long after its end it was right again."""
    seen = [Answer("", 90.0, 90.0, 108.0), Answer("status_stale", 109.0, 109.0, 111.9)]
    seen.append(Answer("", 112.5, 112.6, 113.0))
    found = outage("hybrid", "store", seen, Clock(100.0, 112.0, 113.5))
    assert (found.went_on, found.then, found.away) == (8.0, "status_stale", 12.0)
    assert found.back == pytest.approx(0.6)
    assert [(each.begins, each.ends) for each in found.spans] == [(0, 9), (9, 12.5), (12.5, 13.5)]


def test_what_goes_on_all_the_while_is_told_so() -> None:
    """Nothing follows, and there is nothing to come back from."""
    found = outage("jwt", "store", [Answer("", 90.0, 90.0, 113.0)], Clock(100.0, 112.0, 113.5))
    assert (found.went_on, found.then, found.back) == (12.0, "", None)


def test_what_is_refused_from_the_first_check_on_did_not_go_on() -> None:
    """The first check that began after it was taken away counts."""
    seen = [Answer("", 90.0, 90.0, 99.9), Answer("store_unavailable", 100.1, 100.2, 113.0)]
    found = outage("session", "store", seen, Clock(100.0, 112.0, 113.5))
    assert (found.went_on, found.then) == (0.0, "store_unavailable")


def test_a_million_are_projected_and_not_invented() -> None:
    """The store by a line, a look-up by the logarithm, and what does not depend on sessions as it
    was. One size is enough for the store, since an empty one is known."""
    second = replace(SIZE, sessions=10_000, store_bytes=1e7, session_p50=3e-4)
    found = projected([SIZE, second], (0, 0.0), 1_000_000)
    assert not found.is_measured
    assert found.store_bytes == pytest.approx(1e9)
    assert found.session_p50 == pytest.approx(5e-4)
    assert found.start_bytes == SIZE.start_bytes
    alone = projected([SIZE], (0, 0.0), 1_000_000)
    assert alone.store_bytes == pytest.approx(1e9)
    assert alone.session_p50 == SIZE.session_p50


def test_a_look_up_that_happened_to_be_faster_is_no_trend() -> None:
    """Where the line falls it is level: no store becomes faster by what is put into it."""
    second = replace(SIZE, sessions=10_000, session_p50=1e-4)
    assert projected([SIZE, second], (0, 0.0), 10**6).session_p50 == pytest.approx(1.5e-4)


def test_times_and_weights_have_two_or_three_digits() -> None:
    """In the unit that fits."""
    times = (0, 1.39e-6, 45e-6, 2.1e-4, 0.0129, 0.16, 9.51, 12.04)
    assert [spelled(each) for each in times] == [
        "0",
        "1.39 µs",
        "45.0 µs",
        "0.21 ms",
        "12.9 ms",
        "0.16 s",
        "9.51 s",
        "12.0 s",
    ]
    assert [weight(each) for each in (607, 6400, 55.8e6, 1.2e9)] == [
        "607 B",
        "6.4 kB",
        "55.8 MB",
        "1.2 GB",
    ]


def test_the_middle_and_the_slowest_hundredth_are_told() -> None:
    """Of a hundred calls the ninety-ninth."""
    found = Timed.of([float(each) for each in range(100, 0, -1)])
    assert (found.calls, found.p50, found.p99) == (100, 50.0, 99.0)


def test_what_was_not_counted_is_not_told_as_nought() -> None:
    """A question mark stands for reads that the server did not count."""
    requests = tables(FOUND)[0]
    assert requests.lines[0][requests.columns.index("reads")] == "?"


def test_a_page_is_written_for_whatever_was_found() -> None:
    """Also where a bound is so short or a bar so small that there is no room for words."""
    text = page(FOUND)
    assert text.count("<svg") == 7
    assert "A machine. Store: A store." in text


def test_the_run_in_the_docs_is_one_of_this_program() -> None:
    """docs/compare.md shows every table, and what is said about it, as it is told today."""
    shown = " ".join((DOCS / "compare.md").read_text("utf-8").split())
    for table in tables(FOUND):
        assert f"{table.title} ─" in shown
        for name in table.columns:
            assert name.split()[-1] in shown
    for table in (tables(FOUND)[1], tables(FOUND)[-1]):
        for note in table.notes:
            assert note in shown, note


def test_a_check_without_any_answer_is_one_that_says_so() -> None:
    """The watch goes on; it is neither yes nor no."""

    def gone() -> Tried:
        raise NotAsSaid("The server does not answer.")

    with watching({"session": gone}) as watch:
        while not watch.seen["session"]:
            time.sleep(0.01)
    assert watch.seen["session"][0].code == NO_ANSWER


def echoing() -> socket.socket:
    return socket.create_server((HOST, 0))


def said_back(way: Passage, there: socket.socket) -> socket.socket:
    """A line through the passage over which something has come."""
    line = socket.create_connection((HOST, way.port), timeout=5)
    line.sendall(b"hello")
    taken, _ = there.accept()
    assert taken.recv(5) == b"hello"
    taken.sendall(b"back")
    assert line.recv(4) == b"back"
    taken.close()
    return line


def test_a_way_that_is_cut_holds_its_lines_and_passes_nothing(way: Passage) -> None:
    """Until it is healed; then what was sent meanwhile arrives."""
    with echoing() as there:
        way.leads_to = there.getsockname()
        there.settimeout(0.3)
        said_back(way, there).close()
        way.cut()
        time.sleep(0.05)
        with socket.create_connection((HOST, way.port), timeout=5) as line:
            line.sendall(b"later")
            with pytest.raises(TimeoutError):
                there.accept()
            way.heal()
            there.settimeout(5)
            taken, _ = there.accept()
            assert taken.recv(5) == b"later"
            taken.close()


def test_a_way_that_has_ended_closes_its_lines_and_each_new_one(way: Passage) -> None:
    """As a machine that has gone; healed, it takes lines again."""
    with echoing() as there:
        way.leads_to = there.getsockname()
        there.settimeout(5)
        first = socket.create_connection((HOST, way.port), timeout=5)
        first.sendall(b"hello")
        taken, _ = there.accept()
        assert taken.recv(5) == b"hello"
        way.end()
        assert taken.recv(5) == b""
        assert first.recv(5) == b""
        with socket.create_connection((HOST, way.port), timeout=5) as second:
            assert second.recv(5) == b""
        way.heal()
        time.sleep(0.05)
        said_back(way, there).close()
        first.close()
        taken.close()
