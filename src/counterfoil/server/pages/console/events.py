"""The trail: looked through, and taken away as CSV or JSON lines."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.responses import StreamingResponse

from counterfoil.errors import NotFound
from counterfoil.server.pages.answers import HEADERS, Answer
from counterfoil.server.pages.console.entry import administered, asked, page
from counterfoil.server.pages.console.sessions import subject_of, told
from counterfoil.server.pages.trail_words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from counterfoil.events import Event
    from counterfoil.ports import Store, TrailLine
    from counterfoil.server.pages.visit import Person, Visit

PLACE: Final = "/admin/events"
EXPORT: Final = "/admin/events/export"
SHOWN: Final = 50
MOST_READ: Final = 5_000
_BITE: Final = 250
_FAR: Final = 2**53  # beyond any number of a line
COLUMNS: Final = ("number", "at", "kind", "subject", "session_id", "client_id", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for. subject: None for everybody; the store has an index for it alone."""

    subject: str | None = None
    kind: str = ""
    client_id: str = ""
    session_id: str = ""

    @property
    def reads_more(self) -> bool:
        return bool(self.kind or self.client_id or self.session_id)

    def accepts(self, event: Event) -> bool:
        return (
            self.kind in ("", event.kind)
            and self.client_id in ("", event.client_id)
            and self.session_id in ("", event.session_id)
        )


class Found(NamedTuple):
    """lines: at most SHOWN. next: go on below this number, if there may be more. is_cut: as many
    were read as may be, before so many to show were found."""

    lines: list[TrailLine]
    next: int | None
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(Answer):
    """An answer that is made while it is sent."""

    made: AsyncIterator[str] = field(repr=False)

    def response(self, root: str, *, lab: bool = False) -> Response:
        del root, lab
        return StreamingResponse(self.made, headers={**HEADERS, **self.headers})


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """The newest first, or what the filters ask for."""
    person = asked(visit, "person")
    wanted, nobody = await _wanted(visit)
    before = asked(visit, "before")
    below = int(before) if before.isascii() and before.isdigit() else None
    found = Found([], None)
    if not nobody:
        found = await search(visit.parts.auth.store, wanted, before=below)
    names = ("person", "kind", "client", "session")
    query = {name: text for name in names if (text := asked(visit, name))}
    values = {
        "person": person,
        "wanted": wanted,
        "nobody": nobody,
        "kinds": [*WORDS.items()],
        "clients": [(each, each) for each in sorted(visit.parts.clients)],
        "found": found,
        "is_first": below is None,
        "most_read": MOST_READ,
        "next": found.next and f"{PLACE}?{urlencode({**query, 'before': found.next})}",
        "exports": [
            (f"{EXPORT}?{urlencode({**query, 'format': kind})}", words)
            for kind, words in (("csv", "CSV"), ("jsonl", "JSON lines"))
        ],
        **await told(visit, [line.event for line in found.lines]),
    }
    return page(visit, "events.html", values)


@administered
async def export(visit: Visit, _: Person) -> Answer:
    """All that the filters ask for, however much that is: read in bites as it is sent."""
    kind = asked(visit, "format")
    if kind not in _WRITERS:
        raise NotFound("Ask for the format csv or jsonl.")
    wanted, nobody = await _wanted(visit)
    if nobody:
        raise NotFound("Nobody signs in so.")
    media_type, header, write = _WRITERS[kind]
    name = f"counterfoil-events-{visit.now:%Y%m%d-%H%M%S}.{kind}"
    return Download(
        made=_told(visit.parts.auth.store, wanted, header, write),
        headers={
            "content-type": media_type,
            "content-disposition": f'attachment; filename="{name}"',
        },
    )


async def search(store: Store, wanted: Wanted, *, before: int | None) -> Found:
    """A page of what is wanted, with a bound on what is read for it."""
    lines: list[TrailLine] = []
    read = 0
    limit = _BITE if wanted.reads_more else SHOWN
    while read < MOST_READ:
        below = None if before is None else min(before, _FAR)
        batch = await store.trail(subject=wanted.subject, before=below, limit=limit)
        for line in batch:
            read += 1
            if wanted.accepts(line.event):
                lines.append(line)
                if len(lines) == SHOWN:
                    return Found(lines, line.number)
        if len(batch) < limit:
            return Found(lines, None)
        before = batch[-1].number
        await asyncio.sleep(0)
    return Found(lines, before, is_cut=True)


async def _told(
    store: Store, wanted: Wanted, header: str, write: Callable[[list[TrailLine]], str]
) -> AsyncIterator[str]:
    """The text of every line, from the newest of now to the first. Where the store fails on the
    way, the answer breaks off: nobody takes a part for the whole."""
    yield header
    before: int | None = None
    while True:
        batch = await store.trail(subject=wanted.subject, before=before, limit=_BITE)
        yield write([line for line in batch if wanted.accepts(line.event)])
        if len(batch) < _BITE:
            return
        before = batch[-1].number
        await asyncio.sleep(0)


def _values(line: TrailLine) -> dict[str, Any]:
    event = line.event
    return {
        "number": line.number,
        "at": _rfc3339(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "session_id": event.session_id,
        "client_id": event.client_id,
        "detail": dict(event.detail),
    }


def _as_csv(lines: list[TrailLine]) -> str:
    """No cell begins with what somebody else has chosen, so that no table takes one for a formula:
    detail is an object in JSON, the others are ours."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    for line in lines:
        values = _values(line)
        writer.writerow({**values, "detail": json.dumps(values["detail"])})
    return text.getvalue()


def _as_json_lines(lines: list[TrailLine]) -> str:
    return "".join(f"{json.dumps(_values(line))}\n" for line in lines)


_WRITERS: Final[Mapping[str, tuple[str, str, Callable[[list[TrailLine]], str]]]] = {
    "csv": ("text/csv; charset=utf-8", ",".join(COLUMNS) + "\r\n", _as_csv),
    "jsonl": ("application/jsonl; charset=utf-8", "", _as_json_lines),
}


async def _wanted(visit: Visit) -> tuple[Wanted, bool]:
    """What the address asks for; and whether that is somebody who is not there."""
    person, kind = asked(visit, "person"), asked(visit, "kind")
    subject = await subject_of(visit, person) if person else None
    wanted = Wanted(
        subject=subject,
        kind=kind if kind in WORDS else "",
        client_id=asked(visit, "client"),
        session_id=asked(visit, "session"),
    )
    return wanted, bool(person) and subject is None


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
