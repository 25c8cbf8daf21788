"""The figures as tables and sentences, the same for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from counterfoil.cli.compare.comparison import Comparison
from counterfoil.cli.compare.depth import FULL
from counterfoil.cli.compare.outages import Outage
from counterfoil.lifetime import seconds_up

_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_FEW: Final = 10


@dataclass(frozen=True, slots=True)
class Table:
    """title; what it shows; its columns and lines; and what to know about it."""

    id: str
    title: str
    says: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def tables(found: Comparison) -> tuple[Table, ...]:
    """In the order in which they were measured."""
    return (
        _requests(found),
        _refusals(found),
        _without_store(found),
        _without_network(found),
        _sizes(found),
    )


def spelled(seconds: float) -> str:
    """A duration with two or three digits: "3.1 µs", "0.21 ms", "9.51 s"."""
    if seconds == 0:
        return "0"
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= s * 0.1), _UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value >= _FEW else f"{value:.2f} {unit}"


def weight(count: float) -> str:
    """A number of bytes: "607 B", "6.4 kB", "54.9 MB"."""
    for size, unit in _SIZES:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def _requests(found: Comparison) -> Table:
    lines = [
        (
            each.strategy,
            spelled(each.at_issuer.p50),
            spelled(each.at_issuer.p99),
            "?" if each.store_calls is None else f"{each.store_calls:.2g}",
            spelled(each.elsewhere.p50),
            spelled(each.elsewhere.p99),
            "-" if each.new_token is None else spelled(each.new_token.p50),
            f"{each.cookie_bytes} B",
            f"{each.bearer_bytes} B",
        )
        for each in found.per_request
    ]
    first = found.per_request[0]
    return Table(
        "request",
        "One request",
        "What a check costs, and what the credential adds to each request.",
        ("strategy", "issuer p50", "p99", "reads", "service p50", "p99", "new", "cookie", "bearer"),
        tuple(lines),
        (
            (
                f"issuer: GET /v1/check over HTTP, {first.at_issuer.calls:,} times each, in turns,"
                " on one connection. reads: calls of the store for one check, as the server"
                " counted them."
            ),
            (
                "service: in another service. A session it has to ask for (Verifier.confirm, a"
                " request to the issuer); a token it checks itself. new: p50 of a token's first"
                " check, with its signature."
            ),
            "cookie, bearer: the header line that travels with each request.",
        ),
    )


def _refusals(found: Comparison) -> Table:
    lines = [
        (
            each.strategy,
            each.where,
            f"{each.rounds}",
            spelled(each.last_accepted) if each.accepted else "not at all",
            spelled(each.first_refused),
            spelled(each.worst),
            f"{each.promised:.0f} s",
        )
        for each in found.refusals
    ]
    return Table(
        "refused",
        "From a revocation to the first refusal",
        "From when the answer to DELETE /v1/session had arrived, with a network that is well.",
        ("strategy", "where", "rounds", "outlived", "refused p50", "worst", "promised"),
        tuple(lines),
        (
            (
                "outlived: when the last check began that was accepted; the promise is about"
                " that. refused: when the first one began that was not."
            ),
            _brief(found),
        ),
    )


def _without_store(found: Comparison) -> Table:
    lines = [
        (each.strategy, _went_on(each), each.then or "-", _back(each))
        for each in found.without_store
    ]
    return Table(
        "store",
        "Without the store",
        f"At the issuer, for {found.without_store[0].away:.1f} s: {found.store_taken}.",
        ("strategy", "went on", "then", "right again"),
        tuple(lines),
        (
            "went on: until when it was accepted. right again: after so long with the store.",
            (
                "A code beginning status_, store_, issuer_ or keys_ is 503: cannot be known, ask"
                " again. Nothing was let through because something could not be known."
            ),
            "A token of jwt goes on until it expires, for 5 min by default.",
        ),
    )


def _without_network(found: Comparison) -> Table:
    lines = [
        (
            each.strategy,
            _went_on(each),
            "-" if each.revoked_at is None else spelled(each.revoked_at),
            f"{each.promised:.0f} s",
            each.then or "-",
            _back(each),
        )
        for each in found.without_network
    ]
    return Table(
        "network",
        "Without the network",
        "In another service that is cut off from the issuer: its connections stay, and nothing"
        f" passes, for {found.without_network[0].away:.1f} s. All three are revoked meanwhile.",
        ("strategy", "went on", "revoked", "promised", "then", "right again"),
        tuple(lines),
        (
            (
                "went on, revoked: counted from when it was cut off. The promise counts from the"
                " revocation, and is kept by a service that cannot hear of it: it refuses by"
                " itself."
            ),
            _brief(found),
        ),
    )


def _sizes(found: Comparison) -> Table:
    lines = [
        (
            f"{each.sessions:,}",
            weight(each.store_bytes),
            spelled(each.session_p50),
            spelled(each.hybrid_p50),
            spelled(each.jwt_p50),
            spelled(each.start_seconds),
            weight(each.start_bytes),
            "measured" if each.is_measured else "projected",
        )
        for each in found.sizes
    ]
    return Table(
        "sizes",
        "From a thousand sessions to a million",
        "What each check costs with so many sessions in the store, and what a verifier fetches"
        " before its first one.",
        ("sessions", "store", "session", "hybrid", "jwt", "start", "fetched", "how"),
        tuple(lines),
        (
            (
                "session: p50 of GET /v1/check, of 200 of them one after the other. hybrid, jwt:"
                " p50 in another service, of a token that it knows. start, fetched: until a new"
                " Verifier of hybrid knows enough."
            ),
            (
                "store: all three keep this record, jwt and hybrid for the refresh; only a check of"
                " session reads it."
            ),
            (
                "The store was filled with records as sign-ins write them, not by signing in."
                " What is projected was not measured: size by a line through the sizes above it, a"
                " look-up by the logarithm of the number, the rest as it was."
            ),
            (
                "A verifier's copy of the status does not depend on the number of sessions: 256"
                " KiB for each list of a million entries, of which there is one an hour, and the"
                " next."
            ),
        ),
    )


def _brief(found: Comparison) -> str:
    told = (
        f"The tokens of this jwt client live {seconds_up(found.depth.access)} s, so that they can"
        " be waited for; by default it is 5 min."
    )
    bound = seconds_up(found.depth.max_staleness)
    default = seconds_up(FULL.max_staleness)
    if bound == default:
        return told
    return f"{told} The bound of hybrid is {bound} s here; by default it is {default} s."


def _went_on(each: Outage) -> str:
    if not each.went_on:
        return "not at all"
    return spelled(each.went_on) if each.then else f"{spelled(each.went_on)}, all the while"


def _back(each: Outage) -> str:
    return "-" if each.back is None else spelled(each.back)


def facts(found: Comparison) -> Iterable[str]:
    """On what it was measured."""
    yield f"{found.machine}. Store: {found.store}."
    yield f"{found.at:%Y-%m-%d %H:%M} UTC, in {found.took:.0f} s, load {found.load:.1f} before."


def verdict(found: Comparison) -> Iterator[str]:
    if found.broken:
        yield from found.broken
    else:
        yield "Every promise was kept. The server has ended; nothing of it is left."
