"""The trail looked through by filters, and taken away whole."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from console.administering import Desk, events
from counterfoil import MemoryStore
from counterfoil.errors import StoreUnavailable
from counterfoil.events import Event
from counterfoil.server.pages.console import events as view
from counterfoil.server.pages.console.events import COLUMNS, Wanted, search
from counterfoil.testing.records import NOW
from pages.visiting import text_of

if TYPE_CHECKING:
    import live
    from counterfoil.events import EventKind
    from counterfoil.ports import TrailLine


async def trail(count: int) -> MemoryStore:
    store = MemoryStore()
    for number in range(count):
        kind: EventKind = "session_opened" if number % 100 == 0 else "session_refreshed"
        client_id = "api" if number % 2 else "web"
        await store.note(Event(kind=kind, at=NOW, subject=f"u-{number % 5}", client_id=client_id))
    return store


async def test_pages_join_without_gap_or_repeat() -> None:
    """Newest first, each from where the one before ended."""
    store, seen, before = await trail(120), list[int](), None
    while True:
        found = await search(store, Wanted(), before=before)
        seen += [line.number for line in found.lines]
        before = found.next
        if before is None:
            break
    assert seen == list(range(120, 0, -1))


async def test_what_has_no_index_is_looked_for_within_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The page is cut, and the next goes on."""
    monkeypatch.setattr(view, "MOST_READ", 500)
    store = await trail(1_100)
    found = await search(store, Wanted(kind="session_opened"), before=None)
    assert (len(found.lines), found.is_cut) == (5, True)
    following = await search(store, Wanted(kind="session_opened"), before=found.next)
    assert len(following.lines) == 5
    of_one = await search(store, Wanted(subject="u-1", client_id="web"), before=None)
    assert {line.event.subject for line in of_one.lines} == {"u-1"}
    assert {line.event.client_id for line in of_one.lines} == {"web"}


def test_filters_find_lines(desk: Desk) -> None:
    """By person, kind, client and session, each and together."""
    device = desk.site.person().sign_in("api")
    device.refresh()
    device.person.sign_in("web")

    def kinds(query: str) -> list[str]:
        path = f"/admin/events?person={device.person.identifier}&{query}"
        return re.findall(r"<h3>([^<]+)</h3>", desk.get(path).raw.decode())

    assert kinds("") == ["Signed in", "Refreshed", "Signed in", "Account registered"]
    assert kinds("kind=session_refreshed") == ["Refreshed"]
    assert kinds("client=web") == ["Signed in"]
    assert kinds(f"session={device.session_id}") == ["Refreshed", "Signed in"]
    assert kinds("kind=no-such-kind&before=not-a-number") == kinds("")
    assert kinds("kind=key_rotated") == []
    assert "Nobody signs in as" in text_of(desk.get("/admin/events?person=nobody"))


def test_a_line_leads_to_its_person_and_session(desk: Desk) -> None:
    """And to who did it."""
    device = desk.site.person().sign_in("api")
    desk.post(f"/admin/sessions/{device.session_id}/end")
    text = desk.get(f"/admin/events?session={device.session_id}").raw.decode()
    assert f'href="/admin/people/{device.person.subject}"' in text
    assert f'href="/admin/sessions/{device.session_id}"' in text
    assert f'href="/admin/people/{desk.person.subject}"' in text


def test_the_whole_trail_is_taken_away_in_both_formats(desk: Desk) -> None:
    """As a file, never stored, with the same lines."""
    person = desk.site.person()
    devices = [person.sign_in("phone") for _ in range(3)]
    for device in devices:
        device.sign_out()
    query = f"person={person.identifier}"
    told = desk.get(f"/admin/events/export?format=jsonl&{query}")
    lines = [json.loads(line) for line in told.raw.decode().splitlines()]
    assert lines == events(desk.site, subject=person.subject)
    as_csv = desk.get(f"/admin/events/export?format=csv&{query}")
    rows = [*csv.DictReader(io.StringIO(as_csv.raw.decode()))]
    assert [{**row, "detail": json.loads(row["detail"])} for row in rows] == [
        {name: "" if line[name] is None else line[name] for name in COLUMNS}
        | {"number": str(line["number"])}
        for line in lines
    ]
    for answer in (told, as_csv):
        assert answer.header("cache-control") == "no-store"
        assert re.fullmatch(
            r'attachment; filename="counterfoil-events-\d{8}-\d{6}\.(csv|jsonl)"',
            answer.header("content-disposition") or "",
        )
    narrowed = desk.get(f"/admin/events/export?format=jsonl&{query}&kind=session_revoked")
    assert len(narrowed.raw.splitlines()) == 3


async def test_a_long_trail_is_read_in_bites() -> None:
    """Never whole, however long it is."""

    class Counting(MemoryStore):
        limits: list[int] = []  # noqa: RUF012 - of the one that is made here

        async def trail(self, **asked: object) -> list[TrailLine]:
            self.limits.append(int(str(asked["limit"])))
            return await super().trail(**asked)  # type: ignore[arg-type] # as it was asked

    store = Counting()
    for _ in range(1_000):
        await store.note(Event(kind="session_opened", at=NOW))
    pieces = [piece async for piece in view._told(store, Wanted(), "", view._as_json_lines)]  # noqa: SLF001 - what the answer is made of
    assert max(store.limits) == 250
    assert sum(piece.count("\n") for piece in pieces) == 1_000


async def test_an_export_that_fails_breaks_off() -> None:
    """It raises, so that the answer never ends as if it were whole."""

    class Failing(MemoryStore):
        async def trail(self, **_: object) -> list[TrailLine]:
            raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        [piece async for piece in view._told(Failing(), Wanted(), "", view._as_csv)]  # noqa: SLF001 - as above


@pytest.mark.parametrize("query", ["", "format=xls", "format=csv&person=nobody"])
def test_an_export_of_nothing_is_not_found(desk: Desk, query: str) -> None:
    """Neither another format, nor somebody who is not there."""
    assert desk.get(f"/admin/events/export?{query}").status == 404


def test_no_cell_begins_with_what_somebody_has_chosen(site: live.Site) -> None:
    """So that no table program takes a device's name for a formula."""
    desk, person = Desk.at(site), site.person()
    site.call(
        "POST",
        "/v1/sessions",
        {"client_id": "api", "identifier": person.identifier, "password": person.password},
        {"User-Agent": "=cmd|'/C calc'!A0"},
    )
    text = desk.get(f"/admin/events/export?format=csv&person={person.identifier}").raw.decode()
    rows = [*csv.reader(io.StringIO(text))]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
