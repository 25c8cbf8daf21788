"""Answers of a feed and status lists made by hand: what a careless or hostile issuer signs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from counterfoil import jws, status_feed, status_token
from counterfoil.status_change import FeedRead, Position, StatusChange
from counterfoil.status_feed import Question, Terms, WrittenTerms
from counterfoil.status_list import StatusBits, StatusList
from forging import ISSUER, KEYS, NOW, PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from counterfoil.keys import SigningKey
    from counterfoil.status_change import Status
    from counterfoil.status_feed import Answer
    from counterfoil.status_token import ListToken

HOUR: Final = timedelta(hours=1)
TEN: Final = timedelta(seconds=10)
TOKEN_KEY: Final = KEYS.active("ES256")
STATUS_KEY: Final = KEYS.active("ES256", "status")
KIDS: Final = frozenset(key.kid for key in PUBLIC)
NONCE: Final = "AAECAwQFBgcICQoLDA0ODw"
EPOCH: Final = "epoch-1"


def listed(name: str = "a", size: int = 1000) -> StatusList:
    """A list's entry in the directory, of the present window."""
    return StatusList(
        id=name, size=size, opens_at=NOW, closes_at=NOW + HOUR, dropped_at=NOW + 2 * HOUR
    )


TERMS: Final = Terms(lists=(listed("a"), listed("b")), kids=KIDS, max_staleness=TEN)
WRITTEN: Final = WrittenTerms(TERMS)
HELD: Final = (WRITTEN.digest, TERMS)


def at(number: int, epoch: str = EPOCH) -> Position:
    return Position(epoch, number)


def asked(number: int | None = 3, **changes: Any) -> Question:
    """A question from this position, by somebody who knows no terms yet."""
    position = None if number is None else at(number)
    return replace(Question(nonce=NONCE, position=position, wait=timedelta(seconds=3)), **changes)


def feed_read(
    after: int | None,
    to: int,
    *changes: tuple[str, int, Status],
    lists: Iterable[StatusList] = TERMS.lists,
    epoch: str = EPOCH,
) -> FeedRead:
    return FeedRead(
        after=None if after is None else at(after, epoch),
        position=at(to, epoch),
        at=NOW,
        lists=tuple(lists),
        changes=tuple(StatusChange(*change) for change in changes),
    )


HONEST: Final = feed_read(3, 5, ("a", 7, 1), ("b", 900, 3))


def changed(members: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    """With these members in place of its own; `...` takes one out."""
    both = {**members, **changes}
    return {name: value for name, value in both.items() if not isinstance(value, EllipsisType)}


def answer(
    question: Question | None = None, read: FeedRead = HONEST, /, **changes: object
) -> bytes:
    """The payload of an honest answer, with changes; `terms` and `digest` are changed together."""
    payload = status_feed.answer(
        question or asked(), read, WRITTEN, issuer=ISSUER, sealed="0-00112233445566778899aabb"
    )
    if "terms" in changes and "digest" not in changes:
        text = json.dumps(changes["terms"], separators=(",", ":"))
        changes["digest"] = status_feed._digest(text)  # noqa: SLF001 - a liar can count too
    return json.dumps(changed(json.loads(payload), changes)).encode()


def terms(**changes: object) -> dict[str, Any]:
    """The members of honest terms, with changes."""
    return changed(json.loads(WRITTEN.members), changes)


def signed(payload: bytes, *, key: SigningKey = STATUS_KEY, typ: str = status_feed.TYPE) -> str:
    return jws.sign(payload, key.material, kid=key.kid, typ=typ)


def read_answer(
    text: str, question: Question | None = None, *, held: tuple[str, Terms] | None = None
) -> Answer:
    return status_feed.read_answer(text, question or asked(), keys=PUBLIC, issuer=ISSUER, held=held)


def reread(question: Question) -> Question:
    """The question as the issuer reads it."""
    return Question.read(parse_qsl(question.query(), keep_blank_values=True))


URI: Final = status_token.list_uri(ISSUER, "a")


def bits_of(*entries: tuple[int, Status], size: int = 1000) -> StatusBits:
    bits = StatusBits(size)
    for index, status in entries:
        bits[index] = status
    return bits


def list_token(
    bits: StatusBits | None = None,
    *,
    key: SigningKey = STATUS_KEY,
    typ: str = status_token.TYPE,
    **changes: object,
) -> str:
    """An honest list of a thousand entries, of which 7 is revoked, with changes."""
    token = status_token.issue(
        URI, bits or bits_of((7, 1)), at(5), issuer=ISSUER, key=STATUS_KEY, now=NOW
    )
    return signed(json.dumps(changed(members_of(token), changes)).encode(), key=key, typ=typ)


def members_of(token: str) -> dict[str, Any]:
    """What a list or an answer says that the status key has signed."""
    compact = jws.parse(token, limit=status_token.LIMIT)
    found: dict[str, Any] = json.loads(compact.verify(STATUS_KEY.public().material))
    return found


def read_list(token: str, *, uri: str = URI, size: int = 1000) -> ListToken:
    return status_token.read(token, keys=PUBLIC, issuer=ISSUER, uri=uri, size=size)
