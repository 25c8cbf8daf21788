"""Sessions listed by filters, traced to their sign-in, and ended."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

import live
from console.administering import Desk, events
from counterfoil import MemoryStore
from counterfoil.client import Client
from counterfoil.events import Event
from counterfoil.server.pages.console import ended, lineage, listing
from counterfoil.server.pages.console.listing import Wanted, listed
from counterfoil.testing.records import HOUR, NOW, SECOND, a_session, opened
from pages.visiting import notice, place, text_of

if TYPE_CHECKING:
    from counterfoil.events import EventKind
    from counterfoil.ports import SessionQuery
    from counterfoil.session import Session

PHONE = "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0"
CLIENTS = {
    "web": Client(client_id="web", strategy="session"),
    "api": Client(client_id="api", strategy="hybrid"),
}


class Counting(MemoryStore):
    """Notes how many sessions each call may bring."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []

    async def sessions(self, query: SessionQuery) -> list[Session]:
        self.limits.append(query.limit)
        return await super().sessions(query)


async def crowd(count: int, **changes: Any) -> Counting:
    store = Counting()
    for number in range(count):
        moment = NOW - number * SECOND
        client_id = "api" if number % 10 == 0 else "web"
        session = a_session(f"s-{number:04}", created_at=moment, client_id=client_id)
        await opened(store, replace(session, subject=f"user-{number}", **changes))
    return store


async def test_a_page_asks_the_store_for_no_more_than_it_shows() -> None:
    """And goes on after its last one, without gap or repeat."""
    store = await crowd(120)
    first = await listed(store, Wanted(), CLIENTS, now=NOW)
    assert store.limits == [listing.SHOWN]
    assert len(first.sessions) == listing.SHOWN
    second = await listed(store, Wanted(before=first.next or ""), CLIENTS, now=NOW)
    third = await listed(store, Wanted(before=second.next or ""), CLIENTS, now=NOW)
    seen = [each.id for page in (first, second, third) for each in page.sessions]
    assert seen == [f"s-{number:04}" for number in range(120)]
    assert third.next is None


async def test_what_the_store_cannot_ask_for_is_looked_for_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After so many the page is cut, says so, and leads on from there."""
    monkeypatch.setattr(listing, "MOST_READ", 300)
    monkeypatch.setattr(listing, "_BITE", 100)
    store = await crowd(700)
    page = await listed(store, Wanted(strategy="hybrid"), CLIENTS, now=NOW)
    assert (page.read, len(page.sessions), page.is_cut) == (300, 30, True)
    following = await listed(
        store, Wanted(strategy="hybrid", before=page.next or ""), CLIENTS, now=NOW
    )
    assert following.sessions[0].id == "s-0300"
    for wanted in (Wanted(device="Lynx"), Wanted(address="203.0.113.")):
        nobody = await listed(store, wanted, CLIENTS, now=NOW)
        assert (nobody.read, nobody.sessions, nobody.is_cut) == (300, [], True)


async def test_a_page_that_is_full_reads_no_further() -> None:
    """The next one begins after the last that it shows."""
    store = await crowd(700, device="Firefox on Linux")
    page = await listed(store, Wanted(device="firefox"), CLIENTS, now=NOW)
    assert (len(page.sessions), page.next, page.read) == (50, "s-0049", 50)


async def test_an_address_is_asked_for_by_how_it_begins() -> None:
    """Whatever the case of its letters; what has none, and what only contains it, is not meant."""
    store = MemoryStore()
    for address in ("203.0.113.9", "203.0.114.9", "2001:db8::203.0.113.9", ""):
        await opened(store, a_session(f"at {address}", address=address))

    async def ids(address: str) -> set[str]:
        page = await listed(store, Wanted(address=address), CLIENTS, now=NOW)
        return {each.id for each in page.sessions}

    assert await ids("203.0.113.") == {"at 203.0.113.9"}
    assert await ids("203.0.11") == {"at 203.0.113.9", "at 203.0.114.9"}
    assert await ids("2001:DB8:") == {"at 2001:db8::203.0.113.9"}
    assert len(await ids("")) == 4


async def test_age_is_asked_for_from_both_ends() -> None:
    """Newer ones end the list where they end; older ones begin it there."""
    store = MemoryStore()
    for name, age in [("now", 0), ("hours", 5), ("days", 48)]:
        moment = NOW - age * HOUR
        await opened(store, a_session(name, created_at=moment, absolute_end=NOW + HOUR))

    async def ids(opened: str) -> list[str]:
        page = await listed(store, Wanted(opened=opened), CLIENTS, now=NOW)
        return [each.id for each in page.sessions]

    assert await ids("hour") == ["now"]
    assert await ids("day") == ["now", "hours"]
    assert await ids("over-day") == ["days"]
    assert await ids("over-month") == []
    assert await ids("") == ["now", "hours", "days"]


async def test_a_lineage_is_read_to_its_sign_in_and_no_further() -> None:
    """Of a subject with many lines, those of the session; not whole where the sign-in is beyond
    the bound."""
    store = MemoryStore()
    session = a_session("s-1")
    for number in range(600):
        kind: EventKind = "session_opened" if number == 0 else "session_refreshed"
        event = Event(kind=kind, at=NOW, subject="user-1", session_id=f"s-{number % 3}")
        await store.note(event)
    await store.note(Event(kind="session_opened", at=NOW, subject="user-1", session_id="s-1"))
    await store.note(Event(kind="session_refreshed", at=NOW, subject="user-1", session_id="s-1"))
    traced = await lineage.lineage(store, session)
    assert [line.event.kind for line in traced.lines] == ["session_refreshed", "session_opened"]
    assert (traced.is_whole, traced.read) == (True, 2)
    other = await lineage.lineage(store, replace(session, id="s-2"))
    assert (len(other.lines), other.is_whole) == (200, False)


def test_filters_find_a_session(desk: Desk) -> None:
    """By person, client, strategy, device and address, each and together; and nobody is nobody."""
    someone = desk.site.person()
    phone = desk.site.call(
        "POST",
        "/v1/sessions",
        {"client_id": "api", "identifier": someone.identifier, "password": someone.password},
        {"User-Agent": PHONE},
    ).json["session"]["id"]
    other = someone.sign_in("web").session_id

    def shown(query: str) -> set[str]:
        text = desk.get(f"/admin/sessions?person={someone.identifier}&{query}").raw.decode()
        return set(re.findall(r'<li id="session-([^"]+)"', text))

    assert shown("") == {phone, other}
    assert shown("client=api") == {phone}
    assert shown("strategy=session") == {other}
    assert shown("device=ANDROID") == {phone}
    assert shown("address=127.0.0.") == {phone, other}
    assert shown("address=10.") == set()
    assert shown("opened=over-day") == set()
    assert shown("client=web&device=android") == set()
    assert "Nobody signs in as" in text_of(desk.get("/admin/sessions?person=nobody-at-all"))


def test_the_filter_by_address_leads_on_to_the_next_page(desk: Desk) -> None:
    """With all else that was asked for."""
    person = desk.site.person()
    for _ in range(listing.SHOWN + 1):
        person.sign_in("phone")
    page = desk.get(f"/admin/sessions?person={person.identifier}&address=127.").raw.decode()
    found = re.search(r'id="next" href="([^"]+)"', page)
    assert found
    following = unescape(found[1])
    assert "address=127." in following
    assert len(re.findall(r'<li id="session-', desk.get(following).raw.decode())) == 1


def test_an_ended_session_is_listed_where_that_is_asked_for(desk: Desk) -> None:
    """Only those that are live otherwise."""
    device = desk.site.person().sign_in("phone")
    device.sign_out()
    path = f"/admin/sessions?person={device.person.identifier}"
    assert device.session_id not in text_of(desk.get(path))
    assert f"session-{device.session_id}" in desk.get(f"{path}&state=all").raw.decode()


def test_a_session_shows_its_lineage_and_marks_a_reuse(desk: Desk) -> None:
    """Sign-in, refreshes, and the spent handle that was used after its grace."""
    device = desk.site.person().sign_in("brief")
    spent = device.handle
    device.refresh()
    path = f"/admin/sessions/{device.session_id}"
    text = desk.get(path).raw.decode()
    assert "Signed in" in text
    assert "Refreshed" in text
    assert "suspicious" not in text
    grace_ends = datetime.now(UTC) + 2 * SECOND
    live.until(lambda: datetime.now(UTC) > grace_ends)
    device.handle = spent
    assert device.refresh().code == "refresh_reused"
    text = desk.get(path).raw.decode()
    assert text.count('class="suspicious"') == 1
    assert "ended, refresh_reused" in text_of(desk.get(path))


def test_ending_a_session_tells_from_when_it_holds(desk: Desk) -> None:
    """A hybrid token: at most max_staleness later, and the page says when that is."""
    device = desk.site.person().sign_in("api")
    path = f"/admin/sessions/{device.session_id}"
    assert place(desk.post(f"{path}/end")) == "/admin/ended"
    assert device.who().code == "session_revoked"
    text = text_of(desk.get("/admin/ended"))
    assert "1 session was ended." in text
    assert re.search(r"Guaranteed in \d+ s, at \d\d:\d\d:\d\d UTC", text)
    assert "ended, revoked_by_administrator" in text_of(desk.get(path))
    line = events(desk.site, subject=device.person.subject)[0]
    assert (line["kind"], line["session_id"]) == ("session_revoked", device.session_id)
    assert line["detail"]["by"] == desk.person.subject
    assert desk.person.identifier in text_of(desk.get(path))


def test_ending_it_again_says_that_there_was_nothing(desk: Desk) -> None:
    """And a `session` one is over at once."""
    device = desk.site.person().sign_in("phone")
    for told in ("1 session was ended.", "Nothing was live there any more."):
        desk.post(f"/admin/sessions/{device.session_id}/end")
        text = text_of(desk.get("/admin/ended"))
        assert told in text
        assert "The guarantee holds" in text


def test_ending_ones_own_session_signs_out(desk: Desk) -> None:
    """On to the sign-in, which says so."""
    text = desk.get(f"/admin/sessions?person={desk.person.identifier}").raw.decode()
    own = re.findall(r'<li id="session-([^"]+)"', text)
    assert place(desk.post(f"/admin/sessions/{own[0]}/end")) == "/login"
    assert "You are signed out." in notice(desk.get("/login"))


def test_a_session_that_is_not_there_is_said_so(desk: Desk) -> None:
    """404 with what may have happened, for the page and for the form."""
    for answer in (desk.get("/admin/sessions/x"), desk.post("/admin/sessions/x/end")):
        assert answer.status == 404
        assert "There is no session of this id" in text_of(answer)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"session.YQ.1.1.0",
        b"other.YQ.1.1.0.0",
        b"session.YQ.1.1.0.0.5",
        b"session.YQ.1.1.0.0.5.bad epoch",
        b"session.gA.1.1.0.0",
        b"session.YQ.999999999999999999.1.0.0",
    ],
)
def test_what_we_did_not_write_is_no_ending(value: bytes) -> None:
    """Other words, fewer numbers, what is no text or no moment."""
    assert ended.read([(b"cookie", ended.NAME.encode() + b"=" + value)]) is None


def test_an_ending_comes_back_as_it_went() -> None:
    """Through the cookie."""
    told = ended.Ended(
        scope="person",
        name="ann@example.org",
        at=NOW,
        count=100_000,
        effective_within=timedelta(seconds=10),
        elsewhere_within=timedelta(seconds=285),
        position=None,
    )
    assert ended.read([(b"cookie", ended.NAME.encode() + b"=" + told.written())]) == told
