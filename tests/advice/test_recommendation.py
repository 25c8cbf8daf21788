from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from counterfoil.advice.questions import QUESTIONS
from counterfoil.advice.recommendation import Advice, advise
from counterfoil.advice.rules import RULES

if TYPE_CHECKING:
    from counterfoil.client import StrategyName

SAID: Final = ("reasons", "settings", "costs", "conflicts", "notes")


class Situation(NamedTuple):
    """Somebody's answers, in the order of the questions, and the rule that must choose."""

    answers: str
    strategy: StrategyName
    rule: str

    def given(self) -> dict[str, str]:
        names = (question.id for question in QUESTIONS)
        return dict(zip(names, self.answers.split(), strict=True))


#                   people verifiers services ban offline rate claims store
SITUATIONS: Final = {
    "a blog with a comment form": Situation(
        "browser ours one minutes no tens small file", "session", "one-application"
    ),
    "a bank's web app": Situation(
        "browser ours few now no hundreds small shared", "session", "banned-at-once"
    ),
    "a bank's mobile app": Situation(
        "mobile ours few now no hundreds small shared", "session", "banned-at-once"
    ),
    "a company's admin console": Situation(
        "browser ours one now no tens small file", "session", "banned-at-once"
    ),
    "a start-up's first product, one FastAPI on one machine": Situation(
        "browser ours one seconds no hundreds small file", "session", "one-application"
    ),
    "the same on PostgreSQL": Situation(
        "browser ours one seconds no hundreds small shared", "session", "one-application"
    ),
    "a busy site on one machine": Situation(
        "browser ours one seconds no thousands small file", "session", "one-application"
    ),
    "a busy site on PostgreSQL": Situation(
        "browser ours one seconds no thousands small shared", "hybrid", "many-checks-of-a-server"
    ),
    "an internal microservice mesh with one team": Situation(
        "programs ours many seconds no thousands small shared", "hybrid", "several-services"
    ),
    "a mesh in which a ban may take minutes": Situation(
        "programs ours many minutes no thousands small shared", "hybrid", "several-services"
    ),
    "a single-page application over five services": Situation(
        "browser ours few seconds no hundreds small shared", "hybrid", "several-services"
    ),
    "a shop with a site and an app over some services": Situation(
        "both ours few seconds no hundreds small shared", "hybrid", "several-services"
    ),
    "a shop that must go on through a restart of its database": Situation(
        "both ours one seconds blips hundreds small shared", "hybrid", "interrupted"
    ),
    "a public API for partners": Situation(
        "programs foreign few minutes no hundreds small shared", "jwt", "foreign"
    ),
    "a public API from which a partner can be barred in seconds": Situation(
        "programs foreign few seconds no hundreds small shared", "hybrid", "foreign-and-banned"
    ),
    "a gateway that verifies JWTs itself, before our own services": Situation(
        "browser foreign few seconds no thousands small shared", "hybrid", "foreign-and-banned"
    ),
    "a payment provider's API that must bar at once": Situation(
        "programs foreign many now no thousands small shared", "hybrid", "foreign-and-banned"
    ),
    "an offline kiosk": Situation(
        "programs ours one minutes always tens small file", "jwt", "hardly-online"
    ),
    "an offline kiosk whose owner wants bans in seconds": Situation(
        "programs ours one seconds always tens small file", "jwt", "hardly-online"
    ),
    "a ticket scanner in a stadium's basement": Situation(
        "mobile ours few minutes always hundreds small shared", "jwt", "hardly-online"
    ),
    "machines in a factory that ride out an hour without the office": Situation(
        "programs ours few minutes long hundreds small shared", "jwt", "long-interruption"
    ),
    "a hospital's ward terminals, banned in seconds, an hour cut off": Situation(
        "browser ours few seconds long tens small shared", "hybrid", "several-services"
    ),
    "a platform of many teams' services": Situation(
        "browser teams many seconds no thousands small shared", "hybrid", "several-teams"
    ),
    "a group of companies, each with a domain": Situation(
        "both teams few minutes no hundreds small shared", "hybrid", "several-teams"
    ),
    "a data team's warehouse that takes our tokens": Situation(
        "programs teams few seconds no tens large shared", "hybrid", "several-teams"
    ),
    "a government portal over several agencies, barred at once": Situation(
        "browser teams few now no hundreds small shared", "session", "banned-at-once"
    ),
    "a CI system's jobs that nothing is kept of": Situation(
        "programs ours few minutes no tens small none", "jwt", "no-record"
    ),
    "a serverless function for other functions": Situation(
        "programs ours one minutes no hundreds small none", "jwt", "no-record"
    ),
    "a site of which nothing shall be kept": Situation(
        "browser ours one minutes no tens small none", "session", "one-application"
    ),
    "a web shop with a price list of 2 kB for each customer": Situation(
        "browser ours one minutes no hundreds large file", "session", "large-claims"
    ),
    "a CRM with hundreds of permissions and three services": Situation(
        "browser ours few seconds no hundreds large shared", "session", "large-claims"
    ),
    "a game's backend, thousands of checks, bans in seconds": Situation(
        "mobile ours many seconds blips thousands small shared", "hybrid", "several-services"
    ),
    "a chat that closes connections within seconds": Situation(
        "both ours few seconds no thousands small shared", "hybrid", "several-services"
    ),
    "a desktop application with one server": Situation(
        "mobile ours one seconds no tens small file", "session", "one-application"
    ),
    "a household's sensors behind a hub": Situation(
        "programs ours one minutes long tens small file", "jwt", "long-interruption"
    ),
    "a mail server that takes JWTs for IMAP": Situation(
        "mobile foreign few minutes no hundreds small file", "jwt", "foreign"
    ),
    "an edge network that verifies in every country": Situation(
        "browser teams many seconds blips thousands small shared", "hybrid", "several-teams"
    ),
}


def advised(name: str, **other: str) -> Advice:
    return advise({**SITUATIONS[name].given(), **other})


def rules_of(advice: Advice) -> set[str]:
    return {said.rule for name in SAID for said in getattr(advice, name)}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_real_situation_is_given_the_strategy_that_fits(name: str) -> None:
    """Each is chosen for by the rule that was meant for it, and by no other that stands above."""
    advice = advised(name)
    assert (advice.strategy, advice.reasons[0].rule) == SITUATIONS[name][1:]


def test_a_banks_web_app_reads_the_record_at_each_request() -> None:
    """L is nought everywhere, its people manage their own sessions, and shorter timeouts are
    named."""
    advice = advised("a bank's web app")
    assert advice.effective_within == advice.elsewhere_within == timedelta(0)
    assert advice.setup.clients[0].manage
    assert "session-timeouts" in rules_of(advice)
    assert advice.setup.verifying == "", "a cookie stays at its host"


def test_a_mesh_pays_bytes_and_a_thread_and_no_request() -> None:
    """A ban reaches all of it within ten seconds."""
    advice = advised("an internal microservice mesh with one team")
    assert advice.effective_within == timedelta(seconds=10)
    assert {said.rule for said in advice.costs} == {"bytes-and-a-thread"}
    assert "check(token)" in advice.setup.verifying


def test_partners_are_given_nothing_that_manages_accounts() -> None:
    """What a foreign service is shown could be sent on."""
    for name, situation in SITUATIONS.items():
        if "ours" not in situation.answers:
            assert not any(client.manage for client in advised(name).setup.clients)


def test_a_partner_is_barred_elsewhere_within_a_minute() -> None:
    """The access lifetime is the bound for who knows only JWTs, so it is short."""
    advice = advised("a public API from which a partner can be barred in seconds")
    assert advice.effective_within == timedelta(seconds=10)
    assert advice.elsewhere_within == timedelta(minutes=1)


def test_who_is_offline_is_told_that_no_ban_arrives() -> None:
    """Bans within seconds are not pretended; the token's life is named as the bound."""
    advice = advised("an offline kiosk whose owner wants bans in seconds")
    assert [said.rule for said in advice.conflicts] == ["no-news-offline"]
    assert advice.effective_within == timedelta(hours=12)
    assert "keys_max_age=timedelta(days=1)" in advice.setup.verifying


def test_an_hour_cut_off_and_a_ban_in_seconds_are_told_to_exclude_each_other() -> None:
    """The ban wins: checks go on for the most that the bound may be, and then refuse."""
    advice = advised("a hospital's ward terminals, banned in seconds, an hour cut off")
    assert [said.rule for said in advice.conflicts] == ["an-hour-and-seconds"]
    assert advice.effective_within == timedelta(seconds=60)


def test_a_ban_without_any_store_is_told_to_need_one() -> None:
    """A file is recommended then, and the reason is told."""
    advice = advised("a blog with a comment form", store="none", ban="seconds")
    assert advice.has_store
    assert "a-ban-is-kept-somewhere" in rules_of(advice)


def test_only_programs_do_without_a_store() -> None:
    """Their price is told: nothing renews a token, nothing revokes it."""
    advice = advised("a CI system's jobs that nothing is kept of")
    assert not advice.has_store
    assert "nothing-renews-it" in rules_of(advice)
    assert advised("a site of which nothing shall be kept").has_store


def test_a_site_and_an_app_are_two_clients_of_one_audience() -> None:
    """So that one verifier takes the tokens of both; only the site's travel in a cookie."""
    site, app = advised("a shop with a site and an app over some services").setup.clients
    assert (site.client_id, site.carrier) == ("site", "cookie")
    assert (app.client_id, app.carrier) == ("app", "bearer")
    assert site.audience == app.audience


@pytest.mark.parametrize(
    ("answers", "bites"),
    [
        ("browser ours one now no tens small file", "at once"),
        ("programs ours many seconds no thousands small shared", "10 s, mostly in milliseconds."),
        (
            "programs foreign few seconds no tens small shared",
            "60 s at those that know only JWTs.",
        ),
        ("programs ours few minutes always tens small file", "when the token expires."),
    ],
)
def test_how_soon_a_ban_bites_is_told_of_verifiers_that_there_are(answers: str, bites: str) -> None:
    """Those that know only JWTs are spoken of where some do, and another bound holds there."""
    told = advise(Situation(answers, "session", "").given()).bites
    assert bites in told
    assert ("JWTs" in told) == ("foreign" in answers)


def test_the_edges_of_an_advice_are_those_that_other_answers_have() -> None:
    """Each turn, taken, leads where it says; what is no turn leads to the same strategy."""
    given = SITUATIONS["a single-page application over five services"].given()
    advice = advise(given)
    turns = {(turn.question, turn.answer): turn.strategy for turn in advice.turns}
    assert turns[("ban", "now")] == "session"
    for question in QUESTIONS:
        for value in question.values:
            found = advise({**given, question.id: value}).strategy
            assert found == turns.get((question.id, value), advice.strategy)


def test_every_combination_of_answers_is_advised_and_every_rule_is_of_use() -> None:
    """Nobody is left without advice; what was set can be kept; no row of the table is dead."""
    used: set[str] = set()
    names = [question.id for question in QUESTIONS]
    for chosen in itertools.product(*(question.values for question in QUESTIONS)):
        answers: dict[str, Any] = dict(zip(names, chosen, strict=True))
        advice = advise(answers)
        used |= rules_of(advice)
        assert advice.sentence.endswith(".")
        if answers["ban"] == "now" and advice.strategy != "session":
            assert advice.conflicts, answers
        if answers["ban"] == "seconds" and advice.effective_within > timedelta(seconds=60):
            assert advice.conflicts, answers
    assert used == {rule.id for rule in RULES}


def test_what_a_program_reads_is_all_that_people_read() -> None:
    """The JSON has every text, its sources with their addresses, and spans in seconds."""
    advice = advised("a public API for partners")
    told = advice.as_json()
    assert told["strategy"] == "jwt"
    assert told["effective_within_seconds"] == told["elsewhere_within_seconds"] == 300
    assert told["reasons"][0]["sources"][1]["place"].startswith("https://www.rfc-editor.org/")
    assert told["commands"] == list(advice.setup.commands)
    assert [each["rule"] for name in SAID for each in told[name]] == [
        said.rule for name in SAID for said in getattr(advice, name)
    ]
