"""What this browser has just ended: who has confirmed it, and from when it holds everywhere.

It travels in a cookie of an hour, so that whichever process of the server is asked can tell,
and no link can make the page say that something was ended.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from counterfoil.errors import Unavailable
from counterfoil.issuing import longest_lags
from counterfoil.lifetime import remaining, seconds_up
from counterfoil.outcome import Revoked
from counterfoil.server.pages import notices
from counterfoil.server.pages.answers import Answer, redirect
from counterfoil.server.pages.console.entry import administered, page
from counterfoil.server.tables.accounts import moment, stamp
from counterfoil.status_change import Position

if TYPE_CHECKING:
    from datetime import datetime

    from counterfoil.carriers.headers import Headers
    from counterfoil.client import Client
    from counterfoil.server.pages.visit import Person, Visit
    from counterfoil.server.tables.verifiers import Followers

PLACE: Final = "/admin/ended"
NAME: Final = "__Host-counterfoil_ended"
# ending: of a client, and it was not over when the form was answered; `at` is when that began.
Scope = Literal["session", "person", "client", "ending"]

_KEPT: Final = 3600
_MOST_SHOWN: Final = 200
_VALUE: Final = re.compile(
    rf"({'|'.join(get_args(Scope))})\.([A-Za-z0-9_-]{{1,400}})\.(\d{{1,18}})\.(-1|\d{{1,12}})"
    r"\.(\d{1,9})\.(\d{1,9})(?:\.(\d{1,18})\.([A-Za-z0-9_-]{1,64}))?".encode(),
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """scope and name: of what. at: when it was acknowledged, or a moment later. position: who has
    come to there knows of it; None where that could not be read."""

    scope: Scope
    name: str
    at: datetime
    count: int
    effective_within: timedelta
    elsewhere_within: timedelta
    position: Position | None

    @property
    def holds_from(self) -> datetime:
        """From then on no Counterfoil verifier accepts it, whatever the network does."""
        return self.at + self.effective_within

    @property
    def elsewhere_from(self) -> datetime:
        return self.at + self.elsewhere_within

    def written(self) -> bytes:
        name = base64.urlsafe_b64encode(self.name.encode()).rstrip(b"=").decode()
        spans = (seconds_up(self.effective_within), seconds_up(self.elsewhere_within))
        come = () if self.position is None else (self.position.number, self.position.epoch)
        told = (self.scope, name, stamp(self.at), self.count, *spans, *come)
        return ".".join(map(str, told)).encode()


async def tell(visit: Visit, scope: Scope, name: str, revoked: Revoked) -> Answer:
    """On to the page that tells how this spreads. A count that is not known is -1."""
    position = None
    with suppress(Unavailable):
        # Read after it was acknowledged: whoever has come to there knows of it.
        position = (await visit.parts.verifiers.followers()).position
    ended = Ended(
        scope=scope,
        name=name,
        at=visit.now,
        count=revoked.count,
        effective_within=revoked.effective_within,
        elsewhere_within=revoked.elsewhere_within,
        position=position,
    )
    _keep(visit, ended)
    return redirect(visit.at(PLACE))


def tell_that_it_goes_on(visit: Visit, client: Client, *, began: datetime) -> Answer:
    """On to the page that tells how far it is."""
    within, elsewhere = longest_lags(client)
    ended = Ended(
        scope="ending",
        name=client.client_id,
        at=began,
        count=0,
        effective_within=within,
        elsewhere_within=elsewhere,
        position=None,
    )
    _keep(visit, ended)
    return redirect(visit.at(PLACE))


def _keep(visit: Visit, ended: Ended) -> None:
    attributes = f"; Max-Age={_KEPT}; Path=/; Secure; HttpOnly; SameSite=Lax"
    value = NAME.encode() + b"=" + ended.written() + attributes.encode()
    visit.cookies.append((b"set-cookie", value))


def read(headers: Headers) -> Ended | None:
    """What the request brings; None without it, and for what we did not write."""
    parsed = notices.read_cookie(headers, NAME, _VALUE)
    if parsed is None:
        return None
    scope, name, *rest = (group.decode() for group in parsed.groups(b""))
    at, count, effective, elsewhere, number = (int(each or 0) for each in rest[:-1])
    epoch = rest[-1]
    try:
        return Ended(
            scope=scope,  # type: ignore[arg-type] # the pattern lets pass these words only
            name=base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode(),
            at=moment(at),
            count=count,
            effective_within=timedelta(seconds=effective),
            elsewhere_within=timedelta(seconds=elsewhere),
            position=Position(epoch, number) if epoch else None,
        )
    except (ValueError, OverflowError):
        return None


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """How far it has come."""
    ended = read(visit.headers)
    if ended is None:
        return page(visit, "ended.html", {"ended": None})
    if ended.scope == "ending":
        return await _going_on(visit, ended)
    followers = None
    with suppress(Unavailable):  # what is promised rests on time alone
        followers = await visit.parts.verifiers.followers()
    left = remaining(ended.holds_from, now=visit.now)
    told = await _told(visit, ended)
    values = {"ended": ended, "left": seconds_up(left), "told": told, **_heard(ended, followers)}
    return page(visit, "ended.html", values)


async def _going_on(visit: Visit, ended: Ended) -> Answer:
    """How far it is; once it is over, it is told as every ending."""
    endings = visit.parts.endings
    done = endings.done(ended.name)
    if await endings.is_over(ended.name, began=ended.at):
        count = -1 if done is None else done
        revoked = Revoked(
            count=count,
            effective_within=ended.effective_within,
            elsewhere_within=ended.elsewhere_within,
        )
        return await tell(visit, "client", ended.name, revoked)
    values = {"ended": ended, "done": done, "has_failed": endings.has_failed(ended.name)}
    return page(visit, "ending.html", values)


def _heard(ended: Ended, followers: Followers | None) -> dict[str, Any]:
    """Which verifiers with a name have said that they know of it."""
    if followers is None or ended.position is None:
        return {"known": False, "verifiers": [], "confirmed": 0, "of": 0, "anonymous": 0}
    position = ended.position
    each = [(verifier, verifier.has_come_to(position)) for verifier in followers.named]
    each.sort(key=lambda pair: pair[1])
    return {
        "known": True,
        "verifiers": each[:_MOST_SHOWN],
        "confirmed": sum(has for _, has in each),
        "of": len(each),
        "anonymous": followers.anonymous,
    }


async def _told(visit: Visit, ended: Ended) -> str:
    """Whose it was, as people call it."""
    if ended.scope != "person":
        return ended.name
    with suppress(Unavailable):
        found = await visit.parts.accounts.rows.identifiers([ended.name])
        return found.get(ended.name, ended.name)
    return ended.name
