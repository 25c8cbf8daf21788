"""The comparison as one page: no script, nothing fetched, light and dark, a table beside each
plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from counterfoil.cli.compare.comparison import Comparison
from counterfoil.cli.compare.outages import Outage
from counterfoil.cli.compare.svg import Bar, Piece, Point, Spelled, bars, lines, over_time, plot
from counterfoil.cli.compare.tables import Table, facts, spelled, tables, verdict, weight

_STYLE: Final = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b1b1b; --soft: #595959; --grid: #d9d9d9;
  --session: #0b5cad; --hybrid: #0a7a55; --jwt: #b34700; --unknown: #757575; --refused: #3d3d3d;
  --on: #fff; }
@media (prefers-color-scheme: dark) { :root { --page: #161616; --ink: #ececec; --soft: #b5b5b5;
  --grid: #3d3d3d; --session: #7db8f2; --hybrid: #55cda3; --jwt: #f3a06b; --unknown: #9a9a9a;
  --refused: #d6d6d6; --on: #161616; } }
body { background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  margin: 2rem auto; max-width: 88rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
.pair { display: grid; gap: 1.5rem; align-items: start; } .pair > div { min-width: 0; }
@media (min-width: 70rem) { .pair { grid-template-columns: 1fr 1fr; } }
.wide { overflow-x: auto; } figure { margin: 0 0 1.5rem; }
figcaption { font-weight: 600; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg text.on { fill: var(--on); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: right; white-space: nowrap;
  padding: .25rem .6rem; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.notes { color: var(--soft); font-size: .9rem; }
.grid { stroke: var(--grid); } .mark { stroke: var(--ink); stroke-dasharray: 3 2; stroke-width: 2; }
.session { fill: var(--session); stroke: var(--session); } .hybrid { fill: var(--hybrid);
  stroke: var(--hybrid); } .jwt { fill: var(--jwt); stroke: var(--jwt); }
.unknown { fill: var(--unknown); } .refused { fill: var(--refused); }
.line { stroke-width: 2.5; } .broken { stroke-dasharray: 7 5; } .dot { stroke-width: 2.5; }
.hollow { fill: var(--page); } rect { stroke: none; }
"""
_TITLE: Final = "Session, hybrid and JWT, measured"
_UNKNOWN: Final = ("status_", "store_", "issuer_", "keys_", "no_answer")


def page(found: Comparison) -> str:
    """The whole of it, to be kept as one file."""
    drawn = {
        "request": [_times(found), _bytes(found)],
        "refused": [_refused(found)],
        "store": [_outage(found.without_store, "store")],
        "network": [_outage(found.without_network, "network")],
        "sizes": [_stored(found), _looked_up(found)],
    }
    body = "\n".join(_section(table, drawn[table.id]) for table in tables(found))
    told = "\n".join(f"<p>{escape(line)}</p>" for line in (*facts(found), *verdict(found)))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_TITLE}</h1>\n{told}\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(table: Table, plots: Sequence[str]) -> str:
    figures = "\n".join(plots)
    notes = "\n".join(f"<p>{escape(note)}</p>" for note in table.notes)
    return (
        f'<section>\n<h2 id="{table.id}">{escape(table.title)}</h2>\n'
        f'<div class="pair">\n<div>{figures}</div>\n<div>\n{_table(table)}\n'
        f'<div class="notes">{notes}</div>\n</div>\n</div>\n</section>'
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(line[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in line[1:])
        + "</tr>"
        for line in table.lines
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-labelledby="{table.id}">'
        f"<table><caption>{escape(table.says)}</caption><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _times(found: Comparison) -> str:
    rows = []
    for each in found.per_request:
        for name, value in (
            ("issuer p50", each.at_issuer.p50),
            ("issuer p99", each.at_issuer.p99),
            ("service p50", each.elsewhere.p50),
            ("service p99", each.elsewhere.p99),
        ):
            rows.append(Bar(f"{each.strategy}, {name}", each.strategy, value, spelled(value)))
    height, drawn = bars(rows, _tick, is_log=True)
    says = "Bars on a logarithmic scale. " + _told(rows)
    return plot("times", "Time of one check", says, height, drawn)


def _bytes(found: Comparison) -> str:
    rows = [
        Bar(f"{each.strategy}, {name}", each.strategy, count, f"{count} B")
        for each in found.per_request
        for name, count in (("cookie", each.cookie_bytes), ("bearer", each.bearer_bytes))
    ]
    height, drawn = bars(rows, lambda value: f"{value:.0f}", is_log=False)
    return plot("bytes", "Bytes with each request", _told(rows), height, drawn)


def _refused(found: Comparison) -> str:
    rows = [
        Bar(
            f"{each.strategy}, {each.where}",
            each.strategy,
            each.worst,
            spelled(each.worst),
            each.promised or None,
        )
        for each in found.refusals
    ]
    height, drawn = bars(rows, _tick, is_log=True)
    says = (
        "Bars on a logarithmic scale, with a broken line where the promise ends; session promises"
        f" nought. {_told(rows)}"
    )
    return plot("refusals", "Worst time from a revocation to a refusal", says, height, drawn)


def _outage(outages: Sequence[Outage], name: str) -> str:
    rows = [
        (
            each.strategy,
            [
                Piece(span.begins, span.ends, _kind(each, span.code), span.code or "accepted")
                for span in each.spans
            ],
        )
        for each in outages
    ]
    height, drawn = over_time(rows, [(outages[0].away, "there again")])
    says = (
        "Answers over time, from when it was taken away. Grey is 503, cannot be known. "
        + " ".join(_spans(rows))
    )
    return plot(
        f"without-{name}",
        f"Answers without the {name}: in colour yes, grey cannot be known, dark no",
        says,
        height,
        drawn,
    )


def _kind(each: Outage, code: str) -> str:
    if not code:
        return each.strategy
    return "unknown" if code.startswith(_UNKNOWN) else "refused"


def _spans(rows: Sequence[tuple[str, Sequence[Piece]]]) -> Iterator[str]:
    for name, pieces in rows:
        answers = ", then ".join(f"{each.text} until {spelled(each.ends)}" for each in pieces)
        yield f"{name}: {answers}."


def _stored(found: Comparison) -> str:
    points = [Point(each.sessions, each.store_bytes, each.is_measured) for each in found.sizes]
    height, drawn = lines(points, "session", _count, _heavy_tick, is_log=True)
    says = _growing(points, weight)
    return plot("stored", "Size of the store, by sessions", says, height, drawn)


def _looked_up(found: Comparison) -> str:
    points = [Point(each.sessions, each.session_p50, each.is_measured) for each in found.sizes]
    height, drawn = lines(points, "session", _count, _tick, is_log=False)
    says = _growing(points, spelled)
    return plot("looked-up", "A check of a session (p50), by sessions", says, height, drawn)


def _tick(value: float) -> str:
    return _rounded(spelled(value))


def _heavy_tick(value: float) -> str:
    return _rounded(weight(value))


def _rounded(text: str) -> str:
    """On an axis numbers are round: "10 µs" for "10.0 µs"."""
    number, _, unit = text.partition(" ")
    return f"{float(number):g} {unit}".strip()


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _growing(points: Sequence[Point], text: Spelled) -> str:
    told = (
        f"{each.x:,.0f} sessions: {text(each.y)}"
        f" ({'measured' if each.is_measured else 'projected'})"
        for each in points
    )
    return "A line; hollow points are projected. " + "; ".join(told) + "."


def _told(rows: Sequence[Bar]) -> str:
    return "; ".join(f"{each.name}: {each.text}" for each in rows) + "."
