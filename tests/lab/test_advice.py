"""`/lab/advice` as it is sent: the questions, the advice, and answers that are none."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import pytest

from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.recommendation import advise
from pages.visiting import Guest, summary, text_of
from sites import site

if TYPE_CHECKING:
    import live

__all__ = ["site"]

PLACE: Final = "/lab/advice"
SHOP: Final = {
    "people": "browser",
    "verifiers": "ours",
    "services": "one",
    "ban": "now",
    "offline": "no",
    "rate": "hundreds",
    "claims": "small",
    "store": "file",
}
ASKED: Final = {question.id: question.text for question in QUESTIONS}
PARTNER: Final = {**SHOP, "people": "programs", "verifiers": "foreign", "ban": "seconds"}


@pytest.fixture
def guest(site: live.Site) -> Guest:
    return Guest(site)


def address(answers: dict[str, str]) -> str:
    return f"{PLACE}?{urlencode(answers)}"


def squeezed(text: str) -> str:
    """Without spaces: each tag left one behind."""
    return text.replace(" ", "")


def chosen(answer: live.Answer) -> dict[str, str]:
    """The answers that the form shows as given."""
    found = re.findall(r'name="(\w+)" value="(\w+)"[^>]* checked', answer.raw.decode())
    return dict(found)


def test_it_asks_what_the_command_asks(guest: Guest) -> None:
    """Every question, why it is asked, and every choice; nothing is chosen yet."""
    answer = guest.get(PLACE)
    words = text_of(answer)
    for question in QUESTIONS:
        assert question.text in words
        assert question.why in words
        assert all(choice.text in words for choice in question.choices)
    assert chosen(answer) == {}
    assert summary(answer) == ""


@pytest.mark.parametrize("answers", [SHOP, PARTNER], ids=["shop", "partner"])
def test_it_advises_what_the_command_advises(guest: Guest, answers: dict[str, str]) -> None:
    """Sentence, reasons, price, conflicts, settings to paste, and the command that says the same;
    the answers stay chosen."""
    advice = advise(answers)
    answer = guest.get(address(answers))
    words = text_of(answer)
    assert answer.status == 200
    assert f"{advice.strategy}: {advice.title} {advice.sentence}" in words
    assert f"A ban {advice.bites}" in words
    for said in (*advice.reasons, *advice.costs, *advice.conflicts, *advice.settings):
        assert squeezed(said.text.replace("`", "")) in squeezed(words)
    assert "`" not in words
    found = re.findall(r"<pre[^>]*>(.*?)</pre>", answer.raw.decode(), re.DOTALL)
    expected = ["\n".join(advice.setup.commands), advice.setup.python.rstrip()]
    expected += [advice.setup.verifying.rstrip()] if advice.setup.verifying else []
    assert [unescape(each) for each in found] == [*expected, advice.command]
    assert advice.command.split()[2:] == [
        part for name, value in answers.items() for part in (f"--{name}", value)
    ]
    assert chosen(answer) == answers


def test_one_other_answer_is_one_link_away(guest: Guest) -> None:
    """Each leads to the strategy that it names."""
    text = guest.get(address(SHOP)).raw.decode()
    links = re.findall(rf'<strong>(\w+)</strong>, if to [^<]*<a href="{PLACE}\?([^"]+)">', text)
    assert len(links) == len(advise(SHOP).turns) > 0
    for strategy, query in links:
        words = text_of(guest.get(f"{PLACE}?{unescape(query)}"))
        assert f"For these answers {strategy}:" in words


def test_an_answer_that_is_missing_or_none_is_named(guest: Guest) -> None:
    """400, with the whole form, what was answered, and all that is wrong at once."""
    sent = {**SHOP, "ban": "someday"}
    del sent["rate"]
    answer = guest.get(address(sent))
    assert answer.status == 400
    told = summary(answer)
    assert told.endswith(f"Left: {ASKED['ban']} {ASKED['rate']}")
    assert 'href="#ban"' in answer.raw.decode()
    assert chosen(answer) == {name: sent[name] for name in SHOP if name not in {"ban", "rate"}}


@pytest.mark.parametrize("query", ["ban=now&ban=minutes", "ban=%ff", "ban=%"])
def test_an_address_that_can_be_read_in_two_ways_is_refused(guest: Guest, query: str) -> None:
    """As every form."""
    assert guest.get(f"{PLACE}?{query}").status == 400


def test_what_others_add_to_an_address_is_passed_over(guest: Guest) -> None:
    """As some do to links that are sent on; none of it is shown."""
    added = {"utm_source": "a-letter", "<script>": '"><img src=x>'}
    answer = guest.get(address({**SHOP, **added}))
    assert answer.status == 200
    assert chosen(answer) == SHOP
    for part in (b"a-letter", b"<img src=x"):
        assert part not in answer.raw
    assert summary(guest.get(address(added))) == ""
