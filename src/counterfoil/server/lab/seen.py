"""What there is to see in an experiment as it goes: plain values, which a page draws and a test
reads."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from counterfoil.errors import CredentialMalformed
from counterfoil.strict_json import parse_object

if TYPE_CHECKING:
    from counterfoil.server.lab.bench import Bench
    from counterfoil.server.lab.calling import Answer


@dataclass(frozen=True, slots=True)
class Chapter:
    """What comes next. text: why."""

    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, and the store calls between. who: who asked. whom: who
    answered."""

    what: str
    answer: Answer
    who: str = "Browser"
    whom: str = "Server"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer in a line, where the wire has been shown before."""

    who: str
    what: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a token says, as anybody can read it who has it."""

    header: str
    claims: str

    @classmethod
    def of(cls, token: str) -> Decoded:
        header, claims, _ = token.split(".")
        return cls(_text_of(header), _text_of(claims))


@dataclass(frozen=True, slots=True)
class Bar:
    """A number that was measured. limit: the most that was promised, or allowed. told: the number
    in words. note: what else belongs to it."""

    label: str
    value: float
    told: str
    limit: float | None = None
    limit_told: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Numbers beside each other, and what they are of."""

    caption: str
    measured: str
    limit: str
    note: str
    bars: tuple[Bar, ...]
    marks: tuple[tuple[str, float], ...] = ()

    @property
    def most(self) -> float:
        found = [bar.value for bar in self.bars] + [bar.limit or 0.0 for bar in self.bars]
        return max([*found, *(value for _, value in self.marks)]) or 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """Words beside each other; the first column names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One request in a chart: of which series, its number from 0 to 1, and its milliseconds."""

    series: int
    place: float
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Requests as they are made; to read `dots` is to make them."""

    caption: str
    series: tuple[str, ...]
    dots: Iterator[Dot]


@dataclass(frozen=True, slots=True)
class Sides:
    """What each side sees of it, and which setting governs it."""

    rows: tuple[tuple[str, str], ...]


Tone: TypeAlias = Literal["held", "open", "failed"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it comes to. held: a promise was kept, or a defence acted. open: nothing stops it, and
    the text says what limits it. failed: it was not as said."""

    tone: Tone
    title: str
    text: str


Seen: TypeAlias = (
    "Chapter | Note | Exchange | Said | Decoded | Bars | Table | Chart | Sides | Verdict"
)
Run: TypeAlias = "Callable[[Bench], Iterator[Seen]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One page of the lab. question: what it answers. does: what will be done. governed: the
    setting, what it is by default, and what it is here."""

    slug: str
    title: str
    question: str
    does: str
    run: Run
    takes: str
    governed: tuple[tuple[str, str, str], ...] = ()
    reads: tuple[tuple[str, str], ...] = field(default=())


def collected(run: Iterable[Seen]) -> list[Any]:
    """All that there was to see; charts are made as nobody draws them."""
    found = []
    for each in run:
        if isinstance(each, Chart):
            for _ in each.dots:
                pass
        found.append(each)
    return found


def seconds(length: float) -> str:
    """A measured length, in the unit in which one says it."""
    return f"{length:.2f} s" if length >= 1 else f"{length * 1000:.1f} ms"


def within(length: float) -> str:
    """How soon, as it was promised."""
    return f"within {counted(length, 'second')}" if length else "at once"


def counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


def _text_of(segment: str) -> str:
    data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    members = parse_object(data, error=CredentialMalformed)
    return json.dumps(members, ensure_ascii=False, indent=2)
