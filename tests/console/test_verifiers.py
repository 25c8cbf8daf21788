"""Who follows, how old their knowledge is, and who has confirmed what was ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

import live
from console.administering import Desk, console
from counterfoil import Verifier
from counterfoil.server.pages.console.verifiers import standings
from counterfoil.server.tables.verifiers import Followers, NamedVerifier
from counterfoil.status_change import Position
from counterfoil.testing.records import NOW, SECOND
from pages.visiting import text_of
from programs import basic, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from programs import Program

BOUND = 10 * SECOND
FEED = Position("e-1", 40)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    with live.serving(tmp_path_factory.mktemp("followed") / "data") as site:
        yield site


def named(
    process: str, *, age: float = 0, number: int | None = 40, epoch: str = "e-1"
) -> NamedVerifier:
    return NamedVerifier(
        client_id="billing",
        process=process,
        position=None if number is None else Position(epoch, number),
        seen_at=NOW - timedelta(seconds=age),
        connected_since=NOW,
        waits=True,
    )


def ask(site: live.Site, ours: Program, process: str) -> None:
    """One question to the feed, by somebody who does not follow."""
    query = urlencode({"nonce": "A" * 22, "verifier": process})
    headers = basic(ours.client_id, ours.secret)
    assert site.call("GET", f"/status/feed?{query}", headers=headers).status == 200


def test_the_oldest_knowledge_comes_first_against_the_bound() -> None:
    """Near it from six tenths on, past it at the whole; what is behind is counted."""
    followers = Followers(
        (
            named("current"),
            named("near", age=7, number=38),
            named("past", age=12),
            named("new", age=1, number=None),
            named("elsewhere", age=2, epoch="e-0"),
        ),
        3,
        FEED,
    )
    told = {each.verifier.process: each for each in standings(followers, BOUND, now=NOW)}
    assert list(told) == ["past", "near", "elsewhere", "new", "current"]
    assert (told["past"].width, told["past"].is_past) == (100, True)
    assert (told["near"].width, told["near"].is_near, told["near"].behind) == (70, True, 2)
    assert (told["current"].width, told["current"].is_near, told["current"].behind) == (0, False, 0)
    assert told["new"].behind is None
    assert told["elsewhere"].behind is None


def test_a_clock_that_went_back_makes_nobody_younger_than_now() -> None:
    """An age is never below nothing."""
    [told] = standings(Followers((named("early", age=-3),), 0, FEED), BOUND, now=NOW)
    assert (told.age, told.width) == (0, 0)


def test_verifiers_are_listed_and_nobody_is_said_to_be_nobody(followed: live.Site) -> None:
    """With a way to give one a name."""
    desk = Desk.at(followed)
    assert "No verifier with a name follows." in text_of(desk.get("/admin/verifiers"))
    ours = program(followed, "partner")
    client = (ours.client_id, ours.secret)
    with Verifier(issuer=followed.url, audience="api", client=client):
        live.until(lambda: "current" in text_of(desk.get("/admin/verifiers")))
        text = text_of(desk.get("/admin/verifiers"))
        assert "partner" in text
        assert "of 10 s" in text


def test_who_has_confirmed_is_shown_as_it_happens(browser: Browser, followed: live.Site) -> None:
    """One that follows confirms within a second; one that asked once and never again does not,
    and is told to refuse by itself."""
    ours = program(followed, "api")
    device = followed.person().sign_in("api")
    client = (ours.client_id, ours.secret)
    with Verifier(issuer=followed.url, audience="api", client=client) as following:
        following.check(device.token)
        ask(followed, ours, "silent")
        with console(browser, followed, f"/admin/sessions/{device.session_id}") as (page, _):
            page.get_by_role("button", name="End this session").click()
            page.wait_for_url("**/admin/ended")
            rows = page.get_by_role("main").get_by_role("listitem")
            live.until(lambda: rows.filter(has_text="confirmed").count() == 1)
            assert "silent" not in rows.filter(has_text="confirmed").inner_text()
            missing = rows.filter(has_text="not yet").filter(has_text="silent").inner_text()
            assert "it refuses by itself" in missing


def test_ages_grow_on_the_page(browser: Browser, followed: live.Site) -> None:
    """The bar of one that fell silent, in words and in numbers."""
    ours = program(followed, "other")
    ask(followed, ours, "fading")
    with console(browser, followed, "/admin/verifiers") as (page, _):
        row = page.get_by_role("main").get_by_role("listitem").filter(has_text="fading")

        def age() -> float:
            label = row.get_by_role("img").get_attribute("aria-label") or ""
            return float(label.split()[3])

        before = age()
        live.until(lambda: age() > before + 1)
