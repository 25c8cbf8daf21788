"""Who waits at a node, and which read answers whom: on no clock but the one that a test moves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from counterfoil import Client
from counterfoil.errors import IssuerUnavailable, Overloaded
from counterfoil.feeds import pump as pumps
from counterfoil.feeds.pump import Pump, continued, terms_of
from counterfoil.status_feed import MOST_CHANGES, Question, WrittenTerms
from feeding import KIDS, TEN, TERMS, WRITTEN, asked, at, feed_read, listed
from forging import PUBLIC

if TYPE_CHECKING:
    from counterfoil.feeds.pump import Ready, Settling, Waiting
    from counterfoil.status_change import FeedRead
    from counterfoil.status_feed import Terms

THIRD: Final = 10 / 3
NOTHING_NEW: Final = feed_read(3, 3)
NEWS: Final = feed_read(3, 4, ("a", 7, 1))


@dataclass
class Node:
    """A pump, what it has delivered, and the time there."""

    pump: Pump = field(default_factory=Pump)
    uptime: float = 100.0
    delivered: list[Ready] = field(default_factory=list)

    def enter(self, question: Question | None = None, **changes: Any) -> Waiting:
        return self.pump.enter(
            question or asked(**{"terms": WRITTEN.digest, "wait": TEN, **changes}),
            uptime=self.uptime,
            deliver=self.delivered.append,
        )

    def take(
        self, read: FeedRead, *, began: float | None = None, terms: Terms = TERMS
    ) -> float | None:
        began = self.uptime if began is None else began
        return self.pump.take(read, terms, began=began, uptime=self.uptime)

    def heard(self) -> list[FeedRead | None]:
        """What was delivered since this was last asked."""
        reads = [ready.read for ready in self.delivered]
        self.delivered.clear()
        return reads


@pytest.fixture
def node() -> Node:
    node = Node()
    node.take(NOTHING_NEW)
    return node


def test_an_answer_never_rests_on_a_read_that_began_before_the_question(node: Node) -> None:
    """However soon after it: what was committed in between would be denied."""
    node.enter()
    node.take(NEWS, began=node.uptime - 1e-6)
    assert node.heard() == []
    assert node.pump.waiting == 1
    node.take(NEWS, began=node.uptime)
    assert node.heard() == [NEWS]
    assert node.pump.waiting == 0


def test_who_is_behind_is_answered_by_the_first_read(node: Node) -> None:
    """Without waiting; also who knows other terms, or begins."""
    for question in (
        asked(wait=TEN, terms=WRITTEN.digest),
        asked(4, wait=TEN, terms="others"),
        asked(None, wait=TEN),
    ):
        node.enter(question)
        node.take(NEWS)
        assert len(node.heard()) == 1
        node.uptime += 1


def test_who_is_up_to_date_waits_and_not_longer_than_it_asks(node: Node) -> None:
    """It is answered by the last read before that has gone by: its position, and no change."""
    node.enter(wait=timedelta(seconds=2))
    node.uptime += 2 - node.pump.rest - 0.001
    node.take(NOTHING_NEW)
    assert node.heard() == []
    node.uptime += 0.001
    node.take(NOTHING_NEW)
    assert node.heard() == [NOTHING_NEW]


@pytest.mark.parametrize(("max_staleness", "most"), [(1, 1 / 3), (10, THIRD), (60, 20)])
def test_nobody_waits_longer_than_a_third_of_max_staleness(max_staleness: int, most: float) -> None:
    """Whatever it asks for; reads come often enough for that."""
    node = Node()
    terms = replace(TERMS, max_staleness=timedelta(seconds=max_staleness))
    node.take(NOTHING_NEW, terms=terms)
    waiting = node.enter(asked(terms=WrittenTerms(terms).digest, wait=timedelta(seconds=999)))
    assert waiting.due + node.pump.rest == pytest.approx(node.uptime + most)


def test_who_does_not_ask_to_wait_is_answered_by_the_next_read(node: Node) -> None:
    """With nothing new, if there is nothing."""
    node.enter(wait=timedelta(0))
    node.take(NOTHING_NEW)
    assert node.heard() == [NOTHING_NEW]


def test_one_read_answers_all_who_wait(node: Node) -> None:
    """A thousand verifiers cost the store no more than one."""
    for _ in range(1000):
        node.enter()
    node.take(NEWS)
    assert node.heard() == [NEWS] * 1000
    assert node.pump.waiting == 0


def test_each_is_answered_once(node: Node) -> None:
    """Who was answered, or has gone, hears nothing more."""
    node.enter()
    gone = node.enter()
    node.pump.leave(gone)
    node.pump.leave(gone)
    node.take(NEWS)
    node.take(NEWS)
    assert node.heard() == [NEWS]


def test_a_directory_is_for_who_begins_and_for_who_comes_from_another_epoch(node: Node) -> None:
    """No change of the read is for them: they begin with the lists."""
    for position in (None, at(3, "epoch-0"), at(99, "epoch-0")):
        node.enter(asked(None, position=position))
    node.take(NEWS)
    assert node.heard() == [replace(NEWS, after=None, changes=())] * 3


def test_who_is_elsewhere_than_the_read_begins_gets_a_read_of_its_own(node: Node) -> None:
    """Further behind, or ahead: what this read brought would leave a gap."""
    for number in (1, 2, 5, 99):
        node.enter(asked(number))
    node.take(NEWS)
    assert node.heard() == [None] * 4


def test_who_has_come_to_where_the_read_ends_gets_none_of_its_changes(node: Node) -> None:
    """It has them already."""
    node.enter(number=4, wait=timedelta(0))
    node.take(NEWS)
    assert node.heard() == [replace(NEWS, after=at(4), changes=())]


def test_a_read_from_nothing_continues_for_those_who_are_there_alone(node: Node) -> None:
    """After a gap of its own the node knows all, but not what is new to whom."""
    for number in (3, 4):
        node.enter(asked(number))
    node.take(feed_read(None, 4, ("a", 7, 1)))
    assert node.heard().count(None) == 1


def test_after_news_others_wait_a_moment_and_then_it_comes(node: Node) -> None:
    """A storm of revocations may not take the node from who is signed in: after n verifiers have
    been told, the next news goes out a little later, with all that has come meanwhile."""
    for _ in range(500):
        node.enter()
    assert node.take(NEWS) is None
    assert len(node.heard()) == 500
    node.enter(number=4)
    later = node.take(feed_read(4, 5, ("a", 8, 1)))
    assert node.heard() == []
    assert later is not None
    assert later == pytest.approx(500 * pumps.REST_EACH - pumps.AT_ONCE)
    node.uptime += later
    both = feed_read(4, 6, ("a", 8, 1), ("a", 9, 1))
    assert node.take(both) is None
    assert node.heard() == [both]


def test_a_few_revocations_go_out_at_once(node: Node) -> None:
    """They are no storm: what is owed of the rest after the first may be a tenth of a second."""
    for number in (3, 4):
        for _ in range(100):
            node.enter(number=number)
        assert node.take(feed_read(number, number + 1, ("a", number, 1))) is None
        assert len(node.heard()) == 100


def test_news_waits_for_less_than_a_tenth_of_max_staleness(node: Node) -> None:
    """However many were told."""
    for _ in range(5000):
        node.enter()
    node.take(NEWS)
    node.enter(number=4)
    assert node.take(feed_read(4, 5, ("a", 8, 1))) == pytest.approx(1)


def test_who_is_due_is_answered_in_the_quiet_too_and_with_the_news(node: Node) -> None:
    """Nobody's wait is made longer by it."""
    for _ in range(500):
        node.enter()
    node.take(NEWS)
    node.heard()
    node.enter(number=4, wait=timedelta(0))
    news = feed_read(4, 5, ("a", 8, 1))
    assert node.take(news) is None
    assert node.heard() == [news]


def test_only_so_many_wait(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past that it is 503 with a moment to ask again at; who waits goes on waiting."""
    monkeypatch.setattr(pumps, "MOST_WAITING", 3)
    for _ in range(3):
        node.enter()
    with pytest.raises(Overloaded) as caught:
        node.enter()
    assert caught.value.retry_after is not None
    node.take(NEWS)
    assert len(node.heard()) == 3
    node.enter()


CHANGED: Final = {
    "a list is announced": replace(TERMS, lists=(*TERMS.lists, listed("c"))),
    "a list is dropped": replace(TERMS, lists=TERMS.lists[:1]),
    "a key is distrusted": replace(TERMS, kids=frozenset(sorted(KIDS)[1:])),
    "a key is new": replace(TERMS, kids=KIDS | {"new"}),
    "max_staleness is tightened": replace(TERMS, max_staleness=timedelta(seconds=5)),
    "a client has longer": replace(TERMS, longer={"slow": timedelta(seconds=60)}),
}


@pytest.mark.parametrize("terms", CHANGED.values(), ids=CHANGED.keys())
def test_changed_terms_are_news(node: Node, terms: Terms) -> None:
    """They are told at once, though no status has changed."""
    node.enter()
    node.take(NOTHING_NEW, terms=terms)
    (ready,) = node.delivered
    assert ready.terms.terms == terms
    assert ready.terms.digest == node.pump.digest != WRITTEN.digest
    assert ready.read == NOTHING_NEW


def test_whoever_changes_something_hears_when_all_who_ask_here_know_it(node: Node) -> None:
    """Once: with the last who was behind. Who has gone for longer than max_staleness is not waited
    for, nor is who begins, or comes from another epoch: they will read all of it."""
    settled: list[str] = []

    def settle(name: str) -> bool:
        done = lambda: settled.append(name)  # noqa: E731 - one word for the list
        return node.pump.settle(at(4), uptime=node.uptime, done=done) is not None

    node.enter(verifier="gone")
    node.uptime += 10
    assert not settle("nobody asks")
    node.enter(verifier="begins", number=None)
    node.enter(verifier="other", position=at(3, "epoch-0"))
    assert not settle("all of them begin")
    node.enter(verifier="one")
    node.enter(verifier="two")
    node.enter()
    assert settle("they have heard")
    node.enter(verifier="one", number=4)
    assert settled == []
    node.enter(verifier="two", number=5)
    assert settled == ["they have heard"]
    assert not settle("again")
    node.enter(verifier="two", number=3)
    waiting = node.pump.settle(at(4), uptime=node.uptime, done=lambda: settled.append("late"))
    assert waiting is not None
    node.pump.unsettle(waiting)
    node.pump.unsettle(waiting)
    node.enter(verifier="two", number=4)
    assert settled == ["they have heard"]


def test_who_was_waited_for_in_vain_is_not_waited_for_again(node: Node) -> None:
    """A verifier that has gone costs one change its moment, and not every change for max_staleness;
    one that was only slow counts again once it asks."""

    def settle() -> Settling | None:
        return node.pump.settle(at(4), uptime=node.uptime, done=lambda: None)

    node.enter(verifier="gone")
    waiting = settle()
    assert waiting is not None
    node.pump.unsettle(waiting)
    assert settle() is None
    node.enter(verifier="gone")
    assert settle() is not None


def test_a_node_that_stops_lets_nobody_wait(node: Node) -> None:
    """The next read answers all who are there, and whoever comes after them."""
    node.enter()
    node.pump.release()
    node.take(NOTHING_NEW)
    node.enter()
    node.take(NOTHING_NEW)
    assert node.heard() == [NOTHING_NEW] * 2


def test_questions_come_from_many_threads_while_reads_come_in(node: Node) -> None:
    """Each is answered once, and none is lost."""
    answered: list[int] = []

    def ask(number: int) -> None:
        for each in range(50):
            told = threading.Event()

            def deliver(_: Ready, name: int = number * 50 + each, told: Any = told) -> None:
                answered.append(name)
                told.set()

            node.pump.enter(asked(), uptime=node.uptime, deliver=deliver)
            assert told.wait(10)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        node.uptime += 0.01
        node.take(NEWS)
    assert sorted(answered) == list(range(400))
    assert node.pump.waiting == 0


def test_a_read_of_ones_own_is_continued_from_where_it_was_asked() -> None:
    """With every change since."""
    read = feed_read(1, 4, ("a", 7, 1), ("a", 8, 2), ("b", 9, 3))
    assert continued(asked(1), read) == read


def test_who_has_come_further_than_the_store_is_told_so() -> None:
    """A lagging node, or a store that was put back: 503, and never "nothing new"."""
    with pytest.raises(IssuerUnavailable, match="not come as far") as caught:
        continued(asked(5), feed_read(5, 4))
    assert caught.value.retry_after is not None


def test_who_comes_from_another_epoch_or_from_too_far_begins_with_the_lists() -> None:
    """No answer holds more than so many changes; a list brings them in a fraction of the bytes."""
    read = feed_read(1, 4, ("a", 7, 1))
    elsewhere = continued(asked(1, position=at(1, "epoch-0")), read)
    assert (elsewhere.after, elsewhere.changes, elsewhere.position) == (None, (), at(4))
    far = feed_read(1, 1 + MOST_CHANGES)
    assert continued(asked(1), far) is far
    assert continued(asked(1), feed_read(1, 2 + MOST_CHANGES)).after is None


def test_too_many_changes_at_once_are_an_answer_to_nobody(node: Node) -> None:
    """A hundred thousand sessions ended at once: all begin with the lists."""
    node.enter()
    node.take(feed_read(3, 4 + MOST_CHANGES, ("a", 7, 1)))
    (read,) = node.heard()
    assert read is not None
    assert (read.after, read.changes) == (None, ())


def test_the_terms_are_those_of_the_hybrid_clients() -> None:
    """The least of theirs for all, and what others have beyond it by name."""
    ten, five, sixty = (timedelta(seconds=seconds) for seconds in (10, 5, 60))
    clients = [
        Client(client_id="api", strategy="hybrid", max_staleness=ten),
        Client(client_id="bank", strategy="hybrid", max_staleness=five),
        Client(client_id="slow", strategy="hybrid", max_staleness=sixty),
        Client(client_id="web", strategy="session", max_staleness=timedelta(seconds=1)),
        Client(client_id="partner", strategy="jwt", max_staleness=timedelta(seconds=1)),
    ]
    terms = terms_of(NOTHING_NEW, keys=PUBLIC, clients=clients)
    assert terms.max_staleness == five
    assert terms.longer == {"api": ten, "slow": sixty}
    assert (terms.kids, terms.lists) == (KIDS, TERMS.lists)
    assert terms_of(NOTHING_NEW, keys=PUBLIC, clients=clients[3:]).max_staleness == ten
