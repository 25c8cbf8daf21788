"""Plots as SVG, drawn here: bars, answers over time, and lines. Colours are classes of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

WIDTH: Final = 720
_LEFT: Final = 190  # of the names
_RIGHT: Final = 90  # of what stands behind a bar
_ROW: Final = 26
_TOP: Final = 14
_FOOT: Final = 40
_PLOT: Final = WIDTH - _LEFT - _RIGHT
_LEAST: Final = 1e-9  # nothing has a logarithm below it
_NUMBER: Final = 56  # about so wide is what stands behind a bar
_HIGH: Final = 260  # of a plot with lines
_BESIDE: Final = 70  # of numbers beside a vertical axis
Spelled = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Bar:
    """kind: the class that colours it. mark: another value on the same row, such as a promise."""

    name: str
    kind: str
    value: float
    text: str
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """An answer for so long."""

    begins: float
    ends: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    is_measured: bool


def plot(name: str, title: str, says: str, height: int, drawn: Iterable[str]) -> str:
    """One picture with its title and what it shows, for who does not see it."""
    inner = "\n".join(drawn)
    return (
        f"<figure>\n<figcaption>{escape(title)}</figcaption>\n"
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d">\n'
        f'<title id="{name}-t">{escape(title)}</title>\n<desc id="{name}-d">{escape(says)}</desc>\n'
        f"{inner}\n</svg>\n</figure>"
    )


def bars(rows: Sequence[Bar], spelled: Spelled, *, is_log: bool) -> tuple[int, Iterator[str]]:
    """The height, and what is drawn: one row for each, on a common scale."""
    values = [each.value for each in rows] + [each.mark for each in rows if each.mark]
    scale = _log_scale(values) if is_log else _plain_scale(values)
    return _TOP + _ROW * len(rows) + _FOOT, _bars(rows, scale, spelled)


def over_time(
    rows: Sequence[tuple[str, Sequence[Piece]]], marks: Sequence[tuple[float, str]]
) -> tuple[int, Iterator[str]]:
    """Answers of each row, in seconds; marks: moments that all rows share."""
    ends = [piece.ends for _, pieces in rows for piece in pieces]
    scale = _plain_scale(ends)
    return _TOP + _ROW * len(rows) + _FOOT, _over_time(rows, scale, marks)


def lines(
    points: Sequence[Point], kind: str, x_text: Spelled, y_text: Spelled, *, is_log: bool
) -> tuple[int, Iterator[str]]:
    """One line over a logarithmic axis; what is projected is hollow, and its line broken. is_log:
    whether the other axis is logarithmic, too."""
    values = [each.y for each in points]
    upward = _log_scale(values) if is_log else _plain_scale(values)
    return _TOP + _HIGH + _FOOT, _lines(points, upward, kind, x_text, y_text)


@dataclass(frozen=True, slots=True)
class _Scale:
    """place: 0 to 1 for a value. ticks: values to name."""

    place: Callable[[float], float]
    ticks: tuple[float, ...]


def _log_scale(values: Sequence[float]) -> _Scale:
    low = math.floor(math.log10(max(min(values), _LEAST)))
    high = max(math.ceil(math.log10(max(*values, _LEAST))), low + 1)
    ticks = tuple(10.0**power for power in range(low, high + 1))
    return _Scale(lambda value: (math.log10(max(value, 10.0**low)) - low) / (high - low), ticks)


def _plain_scale(values: Sequence[float]) -> _Scale:
    most = max(*values, _LEAST)
    step = 10.0 ** math.floor(math.log10(most))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if most / (step * part) <= 6)  # noqa: PLR2004 - names that fit
    end = step * math.ceil(most / step)
    return _Scale(lambda value: value / end, tuple(step * n for n in range(round(end / step) + 1)))


def _axis(scale: _Scale, bottom: float, spelled: Spelled) -> Iterator[str]:
    for tick in scale.ticks:
        x = _LEFT + _PLOT * scale.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom:.1f}"/>'
        yield _text(x, bottom + 18, spelled(tick), "middle")


def _bars(rows: Sequence[Bar], scale: _Scale, spelled: Spelled) -> Iterator[str]:
    yield from _axis(scale, _TOP + _ROW * len(rows), spelled)
    for number, each in enumerate(rows):
        y = _TOP + _ROW * number
        wide = max(_PLOT * scale.place(each.value), 2.0)
        beyond = _LEFT + wide
        yield _text(_LEFT - 8, y + 17, each.name, "end")
        yield _box(_LEFT, y + 4, wide, _ROW - 8, each.kind)
        if each.mark:
            x = _LEFT + _PLOT * scale.place(each.mark)
            beyond = x if beyond <= x < beyond + _NUMBER else beyond
            yield f'<line class="mark" x1="{x:.1f}" y1="{y + 1}" x2="{x:.1f}" y2="{y + _ROW - 1}"/>'
        yield _text(beyond + 6, y + 17, each.text, "start")


def _over_time(
    rows: Sequence[tuple[str, Sequence[Piece]]], scale: _Scale, marks: Sequence[tuple[float, str]]
) -> Iterator[str]:
    bottom = _TOP + _ROW * len(rows)
    yield from _axis(scale, bottom, lambda value: f"{value:g} s")
    for number, (name, pieces) in enumerate(rows):
        y = _TOP + _ROW * number
        yield _text(_LEFT - 8, y + 17, name, "end")
        for piece in pieces:
            x = _LEFT + _PLOT * scale.place(piece.begins)
            wide = _LEFT + _PLOT * scale.place(piece.ends) - x
            yield _box(x, y + 4, wide, _ROW - 8, piece.kind)
            if wide > 7 * len(piece.text) + 8:  # about so wide is a letter
                yield _text(x + 5, y + 17, piece.text, "start", "on")
    for at, text in marks:
        x = _LEFT + _PLOT * scale.place(at)
        yield f'<line class="mark" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, bottom + 34, text, "middle")


def _lines(
    points: Sequence[Point], upward: _Scale, kind: str, x_text: Spelled, y_text: Spelled
) -> Iterator[str]:
    across = _log_scale([each.x for each in points])
    wide, bottom = WIDTH - _BESIDE - _RIGHT, _TOP + _HIGH

    def at(point: Point) -> tuple[float, float]:
        return _BESIDE + wide * across.place(point.x), bottom - _HIGH * upward.place(point.y)

    for tick in upward.ticks:
        y = bottom - _HIGH * upward.place(tick)
        yield f'<line class="grid" x1="{_BESIDE}" y1="{y:.1f}" x2="{_BESIDE + wide}" y2="{y:.1f}"/>'
        yield _text(_BESIDE - 8, y + 4, y_text(tick) if tick else "0", "end")
    for tick in across.ticks:
        yield _text(_BESIDE + wide * across.place(tick), bottom + 18, x_text(tick), "middle")
    for first, second in pairwise(points):
        (x1, y1), (x2, y2) = at(first), at(second)
        broken = "" if second.is_measured else " broken"
        yield (
            f'<line class="line {kind}{broken}" x1="{x1:.1f}" y1="{y1:.1f}"'
            f' x2="{x2:.1f}" y2="{y2:.1f}"/>'
        )
    for each in points:
        x, y = at(each)
        hollow = "" if each.is_measured else " hollow"
        yield f'<circle class="dot {kind}{hollow}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'


def _box(x: float, y: float, wide: float, high: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(wide, 1):.1f}"'
        f' height="{high:.1f}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    styled = f' class="{kind}"' if kind else ""
    return f'<text{styled} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
