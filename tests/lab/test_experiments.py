"""Each experiment for real, run by its button: what it measures is what is promised, and its page
keeps nobody out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

import live
from counterfoil.server.lab.catalogue import BY_SLUG
from counterfoil.server.lab.laboratory import Laboratory
from counterfoil.server.lab.seen import (
    Bars,
    Chart,
    Decoded,
    Exchange,
    Said,
    Sides,
    Table,
    Verdict,
)
from lab.looking import looked_at
from pages.browsing import tab
from sites import site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from counterfoil.server.lab.seen import Experiment

__all__ = ["site"]

Kind = TypeVar("Kind")
WORDS = {"held": "As promised", "open": "Know this"}


@dataclass(frozen=True)
class Lab:
    """The lab's pages, and what the experiments show there."""

    browser: Browser
    site: live.Site
    patching: pytest.MonkeyPatch

    def run(self, slug: str, *, tone: str = "held") -> list[Any]:
        """What there was to see; the verdict comes last, and is the one that is expected."""
        seen: list[Any] = []
        children: list[int] = []
        former = Laboratory.run

        def run(lab: Laboratory, experiment: Experiment) -> Iterator[Any]:
            for each in former(lab, experiment):
                seen.append(each)
                yield each
            assert lab.bench is not None
            children.append(len(lab.bench.children))

        self.patching.setattr(Laboratory, "run", run)
        with tab(self.browser, self.site) as page:
            page.set_default_timeout(live.PATIENCE * 1000)
            page.goto(f"{self.site.url}/lab/{slug}")
            page.get_by_role("button", name="Run it").click()
            verdict = page.locator(".verdict")
            verdict.wait_for()
            page.get_by_role("button", name="Run it again").wait_for()
            assert WORDS[tone] in verdict.inner_text()
            assert not page.locator(".running").is_visible()
            assert looked_at(page) == []
        assert seen[-1].tone == tone, seen[-1]
        assert len(all_of(seen, Verdict)) == 1
        assert [each for each in all_of(seen, Exchange) if shows_a_secret(each)] == []
        assert children[-1] <= 2  # the server, and the second service, which the next one has too
        return seen


@pytest.fixture
def lab(browser: Browser, site: live.Site, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(browser, site, monkeypatch)


def all_of(seen: list[Any], kind: type[Kind]) -> list[Kind]:
    return [each for each in seen if isinstance(each, kind)]


def one_of(seen: list[Any], kind: type[Kind]) -> Kind:
    (found,) = all_of(seen, kind)
    return found


def measured(seen: list[Any]) -> dict[str, float]:
    return {bar.label: bar.value for bar in one_of(seen, Bars).bars}


def rows(seen: list[Any]) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in one_of(seen, Table).rows}


def shows_a_secret(exchange: Exchange) -> bool:
    """Whether a credential or a password stands there whole."""
    told = " ".join((*exchange.answer.sent, *exchange.answer.received))
    return bool(re.search(r"eyJ\w{20}|cf_\w{20}|\"password\": \"[^\"…]+\"", told))


def test_how_each_works(lab: Lab) -> None:
    """A session reads the record for each request, the others nothing; only jwt lives on."""
    seen = lab.run("how-each-works")
    found = rows(seen)
    assert {strategy: found[strategy][1] for strategy in found} == {
        "session": "look_up",
        "jwt": "none",
        "hybrid": "none",
    }
    assert found["session"][3] == "refused: session_revoked"
    assert found["jwt"][3] == "still accepted"
    assert found["hybrid"][3] == "refused: session_revoked"
    assert [decoded.claims.count("status_list") for decoded in all_of(seen, Decoded)] == [0, 1]
    assert len(all_of(seen, Exchange)) == 15


def test_revoke(lab: Lab) -> None:
    """A session and a hybrid are refused at the next request, a jwt within its lifetime."""
    found = measured(lab.run("revoke"))
    assert found["session, server"] == 0
    assert found["hybrid, server"] == 0
    assert found["hybrid, second service"] <= 2
    assert 0 < found["jwt, server"] <= 5
    assert 0 < found["jwt, second service"] <= 5


def test_change_a_role(lab: Lab) -> None:
    """A session has the new role at once, a hybrid goes stale, a jwt keeps the old one."""
    seen = lab.run("change-a-role")
    found = measured(seen)
    assert (found["session"], found["hybrid"]) == (0, 0)
    assert 0 < found["jwt"] <= 5
    assert [each.answer.code for each in all_of(seen, Said) if each.answer.code] == [
        "credential_expired",
        "claims_stale",
    ]


def test_add_claims(lab: Lab) -> None:
    """A handle keeps its size; a token grows until a cookie cannot hold it."""
    found = measured(lab.run("add-claims", tone="open"))
    handles = {size for label, size in found.items() if label.startswith("session")}
    assert len(handles) == 1
    in_cookies = [size for label, size in found.items() if label.startswith("hybrid in a cookie")]
    in_headers = [size for label, size in found.items() if label.startswith("hybrid in a header")]
    assert sorted(in_cookies) == in_cookies
    assert max(in_cookies) < 4096 + 20 < max(in_headers)


def test_take_the_store_away(lab: Lab) -> None:
    """Everybody is refused in time, with 503 where nothing is known, and comes back after."""
    seen = lab.run("take-the-store-away")
    codes = [each.answer.code for each in all_of(seen, Said)]
    assert codes == [
        *["", "", ""],
        *["store_unavailable", "status_stale", "credential_expired"],
        *["store_unavailable", "store_unavailable"],
        *["", "", ""],
    ]


def test_cut_the_verifier_off(lab: Lab) -> None:
    """A hybrid that was revoked meanwhile is accepted for no longer than L; then 503."""
    seen = lab.run("cut-the-verifier-off")
    found = measured(seen)
    assert 0 < found["hybrid, after its revocation"] <= 2
    codes = [each.answer.code for each in all_of(seen, Said)]
    assert codes[3:6] == ["status_stale", "status_stale", "credential_expired"]
    assert codes[6:] == ["", "", "session_revoked"]


def test_another_service(lab: Lab) -> None:
    """With the public keys alone, tokens are understood, and signing out is not heard of."""
    found = rows(lab.run("another-service", tone="open"))
    assert found["session"][0] == "401 credential_malformed"
    for strategy in ("jwt", "hybrid"):
        assert found[strategy][:3] == ("200", "401 wrong_audience", "200")


def test_many_requests(lab: Lab) -> None:
    """One look-up for each request of a session, none for the others; each is a dot."""
    seen = lab.run("many-requests")
    found = rows(seen)
    assert [found[strategy][1] for strategy in ("session", "jwt", "hybrid")] == ["150", "0", "0"]
    assert one_of(seen, Chart).series == ("session", "jwt", "hybrid")
    assert all(value > 0 for value in measured(seen).values())


def test_two_nodes(lab: Lab) -> None:
    """Keys alone are enough for jwt; the store, too, for all."""
    found = rows(lab.run("two-nodes"))
    assert found["nothing shared"] == ("401 session_unknown", "401 key_unknown", "401 key_unknown")
    assert found["keys shared"][1] == "200"
    assert {found["keys shared"][0][:3], found["keys shared"][2][:3]} == {"401"}
    assert found["keys and store shared"] == ("200", "200", "200")


def test_copied(lab: Lab) -> None:
    """Nothing stops a copy; the session's end does, at session and hybrid at once."""
    seen = lab.run("copied", tone="open")
    found = measured(seen)
    assert (found["session"], found["hybrid"]) == (0, 0)
    assert 0 < found["jwt"] <= 5
    assert dict(one_of(seen, Sides).rows)["Ann sees"].startswith("1 device")


def test_replayed(lab: Lab) -> None:
    """A spent handle after its grace ends the family, and is in the trail."""
    sides = dict(one_of(lab.run("replayed"), Sides).rows)
    assert "refresh_reused" in sides["The administrator sees"]


def test_raced(lab: Lab) -> None:
    """Within the grace both get the one successor, and each time is in the trail."""
    seen = lab.run("raced", tone="open")
    sides = dict(one_of(seen, Sides).rows)
    assert sides["The administrator sees"] == "3 lines refresh_repeated for 3 refreshes."


def test_fixated(lab: Lab) -> None:
    """What was planted is good for nothing once she has signed in."""
    codes = [each.answer.code for each in all_of(lab.run("fixated"), Exchange)]
    assert [code for code in codes if code] == [
        "session_unknown",
        "session_revoked",
        "refresh_unknown",
    ]


def test_forged(lab: Lab) -> None:
    """Every write from elsewhere is refused; her own page's is not."""
    found = rows(lab.run("forged"))
    assert found.pop("Ann's own page") == ("200", "200")
    assert set(found.values()) == {("403 cross_site", "403 cross_site")}


def test_altered(lab: Lab) -> None:
    """Every forgery is refused with 401, here and there, and her own token is not."""
    found = rows(lab.run("altered"))
    assert len(found) == 8
    assert {said[:3] for both in found.values() for said in both} == {"401"}


@pytest.mark.parametrize("slug", BY_SLUG)
def test_what_is_run_is_described(slug: str) -> None:
    """Each says what it asks and does, and what it reads has a page in docs/."""
    experiment = BY_SLUG[slug]
    assert experiment.question.endswith("?")
    assert experiment.does.endswith(".")
    assert experiment.reads
