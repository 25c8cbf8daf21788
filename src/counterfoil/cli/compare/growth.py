"""What a thousand, and a million, sessions cost. What is not measured is projected, and says so."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from counterfoil import Verifier
from counterfoil.cli.compare.beside import Beside
from counterfoil.cli.compare.scene import Scene
from counterfoil.cli.compare.timing import Timed, Wire, check_request, timed

_ASKED: Final = 200  # sessions, each asked about a few times
_TIMES: Final = 3
_STARTS: Final = 5
_KNOWN: Final = 1000  # checks of a token that a verifier knows
_TIMEOUT: Final = timedelta(seconds=10)
_LEAST: Final = 2  # measured sizes from which a line can be drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """So many sessions. store_bytes: on the disk. session: `GET /v1/check` of one after the other.
    hybrid, jwt: the p50 of a check in another service. start_seconds, start_bytes: what it takes a
    verifier to begin. is_measured: False where the others' line was drawn on."""

    sessions: int
    store_bytes: float
    session_p50: float
    session_p99: float
    hybrid_p50: float
    jwt_p50: float
    start_seconds: float
    start_bytes: float
    is_measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Credentials of sessions that are there all the while."""

    handles: Sequence[str]
    hybrid: str
    jwt: str


def growth(scene: Scene, progress: Callable[[str], None]) -> list[Size]:
    """Every size; those for which there was no time are projected from those that were measured."""
    found: list[Size] = []
    with scene.beside() as parts:
        held = _Held(
            handles=[each.credential.token for each in parts.open("session", _ASKED)],
            hybrid=parts.open("hybrid")[0].credential.token,
            jwt=parts.open("jwt")[0].credential.token,
        )
    empty = (_ASKED, float(scene.store.bytes(scene.data)))
    there, left, each_took = _ASKED, scene.depth.filling, 0.0
    for size in scene.depth.sizes:
        wanted = size - there
        if found and wanted * each_took > left:
            break
        began = time.monotonic()
        with scene.beside() as parts:
            there += _fill(parts, wanted, progress)
        took = time.monotonic() - began
        left, each_took = left - took, took / wanted
        progress(f"{size:,} sessions, checked")
        found.append(_measured(scene, size, held))
    missing = [size for size in scene.depth.sizes if size not in {each.sessions for each in found}]
    return [*found, *(projected(found, empty, size) for size in missing)]


def _fill(parts: Beside, count: int, progress: Callable[[str], None]) -> int:
    return parts.fill(
        "session", count, progress=lambda done: progress(f"{done:,} of {count:,} filled")
    )


def _measured(scene: Scene, size: int, held: _Held) -> Size:
    session = _looked_up(scene, held.handles)
    starts: list[float] = []
    known: list[float] = []
    received = 0
    for _ in range(_STARTS):
        before, began = scene.network.counted(), time.monotonic()
        with Verifier(issuer=scene.issuer, audience="hybrid", timeout=_TIMEOUT) as verifier:
            starts.append(time.monotonic() - began)
            received = scene.network.counted().since(before).received
            known += _checks(verifier, held.hybrid)
    with Verifier(issuer=scene.issuer, audience="jwt", timeout=_TIMEOUT) as verifier:
        plain = _checks(verifier, held.jwt)
    return Size(
        sessions=size,
        store_bytes=scene.store.bytes(scene.data),
        session_p50=session.p50,
        session_p99=session.p99,
        hybrid_p50=Timed.of(known).p50,
        jwt_p50=Timed.of(plain).p50,
        start_seconds=statistics.median(starts),
        start_bytes=received,
        is_measured=True,
    )


def _looked_up(scene: Scene, handles: Sequence[str]) -> Timed:
    requests = [check_request("session", f"Authorization: Bearer {each}") for each in handles]
    with Wire(scene.port) as wire:
        return Timed.of(
            [
                timed(lambda request=request: wire.ask(request))  # type: ignore[misc]
                for request in itertools.chain(*[requests] * _TIMES)
            ]
        )


def _checks(verifier: Verifier, token: str) -> list[float]:
    verifier.check(token)  # from now on it is known
    return [timed(lambda: verifier.check(token)) for _ in range(_KNOWN)]


def projected(found: Sequence[Size], empty: tuple[int, float], size: int) -> Size:
    """The store grows with each session. Times of a look-up follow the depth of an index, which is
    the logarithm; what does not depend on sessions is the middle of what was measured."""
    number = [float(each.sessions) for each in found]
    depth = [math.log10(each) for each in number]
    at = math.log10(size)
    return Size(
        sessions=size,
        store_bytes=_line(
            [empty[0], *number], [empty[1], *(each.store_bytes for each in found)], size
        ),
        session_p50=_line(depth, [each.session_p50 for each in found], at),
        session_p99=statistics.median([each.session_p99 for each in found]),
        hybrid_p50=statistics.median([each.hybrid_p50 for each in found]),
        jwt_p50=statistics.median([each.jwt_p50 for each in found]),
        start_seconds=statistics.median([each.start_seconds for each in found]),
        start_bytes=statistics.median([each.start_bytes for each in found]),
        is_measured=False,
    )


def _line(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """On the line that fits best; a line that falls is noise, so it is level then."""
    if len(x) < _LEAST:
        return y[-1]
    slope, base = statistics.linear_regression(x, y)
    return base + slope * at if slope > 0 else statistics.median(y)
