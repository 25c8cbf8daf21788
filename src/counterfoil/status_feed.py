"""What a verifier asks the feed, and the issuer's signed answer; bytes and their meaning alone.

An answer belongs to one question: it is signed over the question's nonce, so that no other answer,
however genuine, can stand in for it. It brings every change after the position that was asked
from, or it says to begin with the lists. `Terms` are what else verifiers go by; they come when the
question does not name those that hold.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from counterfoil import jws
from counterfoil.errors import Malformed
from counterfoil.status_change import FeedRead, Position, Status, StatusChange
from counterfoil.status_list import StatusList
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from counterfoil.handle import HandleSecrets
    from counterfoil.keys import PublicKeySet, SigningKey

TYPE: Final = "counterfoil-feed+jwt"
NONCE_BYTES: Final = 16
MOST_CHANGES: Final = 5_000  # in one answer; who is further behind begins with the lists
LIMIT: Final = 256 * 1024
LONGEST_WAIT: Final = timedelta(seconds=20)  # a third of the longest max_staleness

_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,18}\Z")
_SECONDS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?\Z")
_MEMBERS: Final = frozenset({"nonce", "epoch", "number", "seal", "terms", "wait", "verifier"})
_LARGEST_LIST: Final = 2**26
_LONGEST_CLIENT_ID: Final = 64
_LAST_SECOND: Final = 253_370_764_799  # of 9998, so that a span can be added to any moment
_SPAN: Final = (1, 60)  # seconds that max_staleness may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What verifiers go by besides the changes.

    lists: the directory. kids: the keys, of either purpose, that are trusted. max_staleness: of
    `hybrid` clients, but for those in `longer`, which have more.
    """

    lists: tuple[StatusList, ...]
    kids: frozenset[str]
    max_staleness: timedelta
    longer: Mapping[str, timedelta] = field(default_factory=dict)

    def max_staleness_of(self, client_id: str) -> timedelta:
        return self.longer.get(client_id, self.max_staleness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One poll. position: how far the verifier has come, None when it begins; `seal` proves that
    the issuer once said so. terms: the digest of those it goes by. wait: for news, when there are
    none. verifier: which process of a service asks; it means something where that authenticates.
    """

    nonce: str
    position: Position | None = None
    seal: str = ""
    terms: str = ""
    wait: timedelta = timedelta(0)
    verifier: str = ""

    def query(self) -> str:
        members = {"nonce": self.nonce, "wait": f"{self.wait.total_seconds():.3f}"}
        if self.position is not None:
            members |= {"epoch": self.position.epoch, "number": str(self.position.number)}
        for name in ("seal", "terms", "verifier"):
            if value := getattr(self, name):
                members[name] = value
        # As urlencode would: no word that may stand here has a letter that it changes.
        return "&".join([f"{name}={value}" for name, value in members.items()])

    @classmethod
    def read(cls, members: Iterable[tuple[str, str]]) -> Question:
        """The question in a query's members. Raises `Malformed`."""
        given = [*members]
        found = dict(given)
        if len(found) < len(given) or not found.keys() <= _MEMBERS:
            raise Malformed("Ask the feed with nonce, epoch, number, seal, terms and wait, once.")
        if _NONCE.match(found.get("nonce", "")) is None:
            raise Malformed("Give nonce 16 random bytes in base64url, 22 characters.")
        if ("epoch" in found) != ("number" in found):
            raise Malformed("Give epoch and number together, or neither.")
        forms = {"epoch": _WORD, "number": _NUMBER, "wait": _SECONDS}
        for name, value in found.items():
            if forms.get(name, _WORD).match(value) is None:
                raise Malformed(f"Correct {name}: it is not as this feed writes it.")
        position = None
        if "epoch" in found:
            position = Position(found["epoch"], int(found["number"]))
        return cls(
            nonce=found["nonce"],
            position=position,
            seal=found.get("seal", ""),
            terms=found.get("terms", ""),
            wait=timedelta(seconds=float(found.get("wait", "0"))),
            verifier=found.get("verifier", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the issuer answered to one question: `read`, whose `after` is None where the verifier
    is to begin with the lists, the terms in force and their digest, and the position's seal."""

    read: FeedRead
    seal: str
    terms: Terms
    digest: str


def nonce_of(entropy: bytes) -> str:
    """A nonce from 16 random bytes."""
    return urlsafe_b64encode(entropy).rstrip(b"=").decode()


def seal(position: Position, *, secrets: HandleSecrets) -> str:
    """What proves, to whoever has K, that an issuer with K has said this position."""
    return _seal(position, secrets, secrets.current)


def is_sealed(position: Position, given: str, *, secrets: HandleSecrets) -> bool:
    version = given.partition("-")[0]
    if not given.isascii() or not version.isdecimal() or int(version) not in secrets.versions:
        return False
    return hmac.compare_digest(given, _seal(position, secrets, int(version)))


def _seal(position: Position, secrets: HandleSecrets, version: int) -> str:
    said = f"counterfoil feed position\0{position.epoch}\0{position.number}".encode()
    return f"{version}-{hmac.digest(secrets.versions[version], said, 'sha256')[:12].hex()}"


class WrittenTerms:
    """Terms as text, and their digest: made once for all answers that they hold for."""

    __slots__ = ("digest", "members", "terms")

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.members = json.dumps(_terms_members(terms), separators=(",", ":"))
        self.digest = _digest(self.members)


def answer(
    question: Question, read: FeedRead, terms: WrittenTerms, *, issuer: str, sealed: str
) -> bytes:
    """The payload of an answer. read: the feed after the position that was asked from, from
    nothing where that cannot be continued. sealed: of the read's position."""
    return completed(written(read, issuer=issuer, sealed=sealed), question, terms)


def written(read: FeedRead, *, issuer: str, sealed: str) -> str:
    """What the answers to all questions have in common that one read answers."""
    changes: dict[str, dict[str, list[int]]] | None = None
    if read.after is not None:
        changes = {}
        last = {(change.list_id, change.index): change.status for change in read.changes}
        for (list_id, index), status in last.items():
            changes.setdefault(list_id, {}).setdefault(str(status), []).append(index)
    members = {
        "iss": issuer,
        "iat": int(read.at.timestamp()),
        "epoch": read.position.epoch,
        "from": None if read.after is None else read.after.number,
        "to": read.position.number,
        "seal": sealed,
        "changes": changes,
    }
    return json.dumps(members, separators=(",", ":"))


def completed(common: str, question: Question, terms: WrittenTerms) -> bytes:
    """The payload for one of them. A nonce and a digest need no escaping."""
    own = f',"nonce":"{question.nonce}","digest":"{terms.digest}"'
    if question.terms != terms.digest:
        own = f'{own},"terms":{terms.members}'
    return f"{common[:-1]}{own}}}".encode()


def sign(payload: bytes, *, key: SigningKey) -> str:
    return jws.sign(payload, key.material, kid=key.kid, typ=TYPE)


def read_answer(
    text: str,
    question: Question,
    *,
    keys: PublicKeySet,
    issuer: str,
    held: tuple[str, Terms] | None,
) -> Answer:
    """The answer to this question and to no other. held: the terms that were last read, under their
    digest. Raises the `AuthError` of what is wrong; then it is as if nothing had come."""
    signed = keys.verify(text, purpose="status", limit=LIMIT)
    if not signed.header.is_type(TYPE):
        raise Malformed("This is no answer of a feed.")
    members = parse_object(signed.payload, limit=LIMIT)
    if members.get("iss") != issuer:
        raise Malformed("This answer is of another issuer.")
    if members.get("nonce") != question.nonce:
        raise Malformed("This answer belongs to another question.")
    digest = _word(members.get("digest"))
    terms = _read_terms(members, digest, held)
    at = datetime.fromtimestamp(_whole(members.get("iat"), _LAST_SECOND), UTC)
    position = Position(_word(members.get("epoch")), _whole(members.get("to")))
    after = _after(members, question, position)
    return Answer(
        read=FeedRead(
            after=after,
            position=position,
            at=at,
            lists=terms.lists,
            changes=() if after is None else tuple(_changes(members.get("changes"))),
        ),
        seal=_word(members.get("seal")),
        terms=terms,
        digest=digest,
    )


def _after(members: Mapping[str, Any], question: Question, position: Position) -> Position | None:
    """From where the changes are; exactly from where it was asked, or from the lists."""
    if members.get("from") is None:
        return None
    after = Position(position.epoch, _whole(members["from"]))
    if after != question.position or after.number > position.number:
        raise Malformed("This answer does not continue from where it was asked.")
    return after


def _read_terms(members: Mapping[str, Any], digest: str, held: tuple[str, Terms] | None) -> Terms:
    given = members.get("terms")
    if given is None:
        if held is None or held[0] != digest:
            raise Malformed("This answer lacks terms that are not known here.")
        return held[1]
    if not isinstance(given, dict) or _digest(json.dumps(given, separators=(",", ":"))) != digest:
        raise Malformed("This answer's terms are others than it says.")
    lists, kids = given.get("lists"), given.get("keys")
    if not isinstance(lists, list) or not isinstance(kids, list):
        raise Malformed("This answer's terms lack lists or keys.")
    longer = given.get("longer", {})
    if not isinstance(longer, dict) or any(len(name) > _LONGEST_CLIENT_ID for name in longer):
        raise Malformed("This answer's terms name no clients.")
    return Terms(
        lists=tuple(map(_read_list, lists)),
        kids=frozenset(map(_word, kids)),
        max_staleness=_span(given.get("max_staleness")),
        longer={name: _span(value) for name, value in longer.items()},
    )


def _terms_members(terms: Terms) -> dict[str, Any]:
    members: dict[str, Any] = {
        "lists": [
            [each.id, each.size, *map(_seconds, (each.opens_at, each.closes_at, each.dropped_at))]
            for each in terms.lists
        ],
        "keys": sorted(terms.kids),
        "max_staleness": terms.max_staleness.total_seconds(),
    }
    if terms.longer:
        members["longer"] = {
            name: span.total_seconds() for name, span in sorted(terms.longer.items())
        }
    return members


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_list(entry: object) -> StatusList:
    if not isinstance(entry, list) or [type(each) for each in entry] != [str, int, int, int, int]:
        raise Malformed("A list in this answer's directory cannot be read.")
    list_id, size, *moments = entry
    opens_at, closes_at, dropped_at = (
        datetime.fromtimestamp(_whole(each, _LAST_SECOND), UTC) for each in moments
    )
    return StatusList(
        id=_word(list_id),
        size=_whole(size, _LARGEST_LIST),
        opens_at=opens_at,
        closes_at=closes_at,
        dropped_at=dropped_at,
    )


def _changes(value: object) -> Iterable[StatusChange]:
    if not isinstance(value, dict):
        raise Malformed("This answer lacks its changes.")
    for list_id, by_status in value.items():
        if not isinstance(by_status, dict):
            raise Malformed("A change in this answer cannot be read.")
        for status, indices in by_status.items():
            if status not in {str(each) for each in get_args(Status)}:
                raise Malformed("A change in this answer has a status that is not known.")
            if not isinstance(indices, list):
                raise Malformed("A change in this answer cannot be read.")
            for index in indices:
                yield StatusChange(
                    list_id, _whole(index, _LARGEST_LIST), cast("Status", int(status))
                )


def _seconds(moment: datetime) -> int:
    return math.ceil(moment.timestamp())


def _word(value: object) -> str:
    if not isinstance(value, str) or _WORD.match(value) is None:
        raise Malformed("A word in this answer is not as this feed writes it.")
    return value


def _whole(value: object, most: int = 2**62) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed("A number in this answer is not as this feed writes it.")
    return value


def _span(value: object) -> timedelta:
    least, most = _SPAN
    if type(value) not in {int, float} or not least <= value <= most:  # type: ignore[operator]
        raise Malformed("A span in this answer is not as this feed writes it.")
    return timedelta(seconds=value)  # type: ignore[arg-type]
