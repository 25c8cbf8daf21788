"""The lab's pages as they are sent: where they are, what they refuse, how they come."""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING, Any

import pytest

import live
from counterfoil.server.lab import laboratory
from counterfoil.server.lab.bench import Bench
from counterfoil.server.lab.catalogue import BY_SLUG, QUESTIONS
from pages.visiting import FORM, OWN, Guest, place, text_of
from sites import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from counterfoil.server.passwords.argon2id import HashProfile

__all__ = ["site"]

ADDRESSES = ["/lab", "/lab/advice", *(f"/lab/{slug}" for slug in BY_SLUG)]
QUICK = "/lab/replayed"


@pytest.fixture
def guest(site: live.Site) -> Guest:
    return Guest(site)


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> list[Bench]:
    """Those that are set up meanwhile."""
    found: list[Bench] = []

    class Kept(Bench):
        def __init__(self, profile: HashProfile) -> None:
            super().__init__(profile)
            found.append(self)

    monkeypatch.setattr(laboratory, "Bench", Kept)
    return found


class Begun:
    """A run whose page is read bit by bit."""

    def __init__(self, site: live.Site, path: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=live.PATIENCE)
        self.connection.request("POST", path, b"", {"Content-Type": FORM, **OWN})
        self.answer = self.connection.getresponse()
        self.read = ""

    def until(self, text: str) -> None:
        while text not in self.read:
            piece = self.answer.read1(65536)
            assert piece, f"it ended without {text}"
            self.read += piece.decode()

    def leave(self) -> None:
        self.answer.close()
        self.connection.close()


@pytest.fixture
def begun(site: live.Site) -> Iterator[Begun]:
    begun = Begun(site, QUICK)
    yield begun
    begun.leave()


def test_the_lab_is_in_development_only(tmp_path: Path) -> None:
    """Otherwise there is nothing at its addresses, and no page leads there."""
    with live.serving(tmp_path / "data", dev=False) as site:
        for path in ("/lab", "/lab/", QUICK):
            assert site.call("GET", path).code == "not_found"
            assert site.call("POST", path, b"", {"Content-Type": FORM, **OWN}).code == "not_found"
        assert b"/lab" not in Guest(site).get("/login").raw


def test_without_pages_there_is_no_lab(tmp_path: Path) -> None:
    """Who switches the pages off has none of them."""
    with live.serving(tmp_path / "data", pages_client="") as site:
        assert site.call("GET", "/lab").code == "not_found"


def test_it_is_there_where_nobody_can_sign_in_yet(tmp_path: Path) -> None:
    """Nobody signs in to it, so it needs no client."""
    with live.serving(tmp_path / "data", pages_client="front") as site:
        guest = Guest(site)
        assert guest.get("/login").status == 503
        assert guest.get("/lab").status == 200


def test_a_development_servers_pages_lead_to_it(guest: Guest) -> None:
    """Signed in or not."""
    assert b'href="/lab"' in guest.get("/login").raw
    guest.sign_in(guest.site.person())
    assert b'href="/lab"' in guest.get("/account").raw


def test_the_front_page_leads_to_every_experiment(guest: Guest) -> None:
    """By the questions that a reader has; and each experiment leads to the next."""
    text = guest.get("/lab").raw.decode()
    for slug in BY_SLUG:
        assert f'href="/lab/{slug}"' in text
    asked = {slug for question in QUESTIONS for slug in question.slugs}
    assert asked == set(BY_SLUG)
    for slug, following in zip(BY_SLUG, list(BY_SLUG)[1:], strict=False):
        assert f'href="/lab/{following}"' in guest.get(f"/lab/{slug}").raw.decode()


@pytest.mark.parametrize("path", ADDRESSES)
def test_each_has_the_headers_of_all_pages(guest: Guest, path: str) -> None:
    """No script runs that is not the site's own, and nothing is inline."""
    answer = guest.get(path)
    assert answer.status == 200
    assert answer.header("cache-control") == "no-store"
    policy = (answer.header("content-security-policy") or "").split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert not re.search(
        r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", answer.raw.decode()
    )
    assert (guest.site.call("HEAD", path).status, guest.site.call("PUT", path).status) == (200, 405)


@pytest.mark.parametrize("path", ["/lab/nothing", "/lab/", "/lab/revoke/now", "/lab/advice/"])
def test_what_is_not_there_is_a_page_that_says_so(guest: Guest, path: str) -> None:
    """404 as everywhere."""
    answer = guest.get(path)
    assert answer.status == 404
    assert "There is no" in text_of(answer)


def test_another_site_runs_nothing(guest: Guest, benches: list[Bench]) -> None:
    """403, and nothing was started."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = guest.post(QUICK, headers)
        assert answer.status == 403
    sent = {"Content-Type": FORM, "Origin": "https://evil.example"}
    assert guest.site.call("POST", QUICK, b"", sent).status == 403
    assert benches == []


def test_a_run_takes_no_fields(guest: Guest) -> None:
    """What does not belong there is refused, before anything begins."""
    assert guest.post(QUICK, name="x").status == 400


def test_a_run_is_a_page_that_is_written_as_it_goes(begun: Begun) -> None:
    """Its beginning is there before its end; at the end the verdict has the focus."""
    begun.until("It runs")
    assert begun.answer.status == 200
    assert "The thief refreshes" not in begun.read
    begun.until("The grace goes by")
    assert 'class="verdict' not in begun.read
    begun.until("</html>")
    assert re.search(r'<div class="verdict held" tabindex="-1" autofocus>', begun.read)
    assert begun.answer.getheader("cache-control") == "private, no-cache"
    assert "\0" not in begun.read
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", begun.read)


def test_no_page_shows_a_credential_whole(begun: Begun) -> None:
    """It may be pasted: ten characters of each, and its length."""
    begun.until("</html>")
    assert "cf_" in begun.read
    assert not re.search(r"eyJ[\w-]{20}|cf_[\w-]{20}", begun.read)


def test_who_goes_away_in_the_middle_leaves_nothing_undone(site: live.Site) -> None:
    """The store that was taken away is put back, and the next run is as ever."""
    left = Begun(site, "/lab/take-the-store-away")
    left.until("The store is away")
    left.leave()
    following = Begun(site, QUICK)
    following.until("</html>")
    assert 'class="verdict held"' in following.read
    following.leave()


def test_a_server_that_stops_leaves_nothing(tmp_path: Path, benches: list[Bench]) -> None:
    """Not even when an experiment is under way: no process, no folder."""
    with live.serving(tmp_path / "data") as site:
        run = Begun(site, "/lab/revoke")
        run.until("Promised: ")
    (bench,) = benches
    assert not bench.folder.exists()
    assert bench.children == []
    run.leave()


def test_a_signed_in_person_is_left_alone(guest: Guest) -> None:
    """Whatever is run, the lab's people are not those of this server."""
    guest.sign_in(guest.site.person())
    cookies = dict(guest.cookies)
    answer: Any = guest.post(QUICK)
    assert answer.set_cookies() == []
    assert guest.cookies == cookies
    assert guest.get("/account").status == 200
    assert place(guest.get("/login")) == "/account"


def test_only_this_machine_and_its_owner_reach_a_scratch_server(bench: Bench) -> None:
    """It listens on loopback; its folder is for nobody else."""
    assert bench.issuer.startswith("http://127.0.0.1:")
    assert bench.folder.stat().st_mode & 0o77 == 0
