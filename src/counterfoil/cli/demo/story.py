"""The chapters in order, what went wrong in them, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

from counterfoil.cli.demo import afterwards, three_ways
from counterfoil.cli.demo.afterwards import Scene, lost_reply, role_change, stolen_handle
from counterfoil.cli.demo.caller import NotAsSaid
from counterfoil.cli.demo.cast import BRIEF, Cast, register_brief
from counterfoil.cli.demo.stage import Stage
from counterfoil.cli.demo.temporary_server import Running, temporary_server
from counterfoil.cli.demo.three_ways import Measured, by_hybrid, by_jwt, by_session, seconds
from counterfoil.cli.words import span
from counterfoil.errors import CounterfoilError

T = TypeVar("T")
AFTERWARDS: Final[dict[str, Callable[[Cast], Scene]]] = {
    "role_change": role_change,
    "lost_reply": lost_reply,
    "stolen_handle": stolen_handle,
}


def tell(*, access: timedelta, grace: timedelta, quiet: bool) -> dict[str, Any]:
    """Plays it all, and returns the figures; `as_said` is False if anything was not."""
    began, stage = time.monotonic(), Stage.standing(quiet=quiet)
    wrong: list[str] = []
    with temporary_server("--grace", f"{grace.total_seconds():g}s") as server:
        _open(stage, server, access)
        register_brief(server, access)
        cast = Cast.gathered(server, stage, grace=grace)
        measured = [
            found
            for scene in (by_session, by_hybrid, by_jwt)
            if (found := _played(scene, cast, wrong)) is not None
        ]
        wrong += [
            f"At {each.strategy} the credential outlived its revocation by {each.longest:.3f} s,"
            f" more than the promised {each.promised:.0f} s."
            for each in measured
            if not each.is_kept
        ]
        scenes = {name: _played(scene, cast, wrong) for name, scene in AFTERWARDS.items()}
    took = time.monotonic() - began
    _close(stage, measured, wrong, took)
    return {
        "as_said": not wrong,
        "not_as_said": wrong,
        "strategies": [three_ways.as_json(each) for each in measured],
        **{name: afterwards.as_json(found) if found else None for name, found in scenes.items()},
        "server_started_seconds": server.started_in,
        "took_seconds": took,
    }


def _played(scene: Callable[[Cast], T], cast: Cast, wrong: list[str]) -> T | None:
    """What a scene has found; None where it was not as said, which is told and kept."""
    try:
        return scene(cast)
    except (NotAsSaid, CounterfoilError) as why:
        sentence = str(why)
        wrong.append(sentence)
        cast.stage.outcome(sentence, good=False)
        return None


def _open(stage: Stage, server: Running, access: timedelta) -> None:
    stage.chapter("A server of its own")
    stage.step("$", server.command)
    stage.step("answers at", f"{server.issuer}, after {seconds(server.started_in)}")
    stage.step("clients", "web (session), api (hybrid), partner (jwt)")
    stage.step("", f"{BRIEF} (jwt), added for this: its tokens live {span(access)}, not 5 min")
    stage.pause()
    stage.say(
        "Ann has registered. Three times she signs in, calls with the credential that she is given,"
        " and signs out, which revokes it. Then the old credential is tried again and again until"
        " it is refused. The answer to a revocation promises L, as effective_within_seconds: that"
        " much later no Counterfoil verifier accepts the credential any more. All of it is measured"
        " here, over HTTP, from the moment when that answer had arrived. Credentials are cut short,"
        " so that you may paste this."
    )


def _close(stage: Stage, measured: list[Measured], wrong: list[str], took: float) -> None:
    stage.chapter("What it comes to")
    is_counted = all(each.looked_up for each in measured)
    columns = ["strategy", "on the wire", *(["look-ups"] if is_counted else [])]
    columns += ["outlived", "promised L", "elsewhere"]
    stage.table(columns, [_line(each, is_counted=is_counted) for each in measured])
    stage.pause()
    stage.say(
        "On the wire: the header line, with each request."
        + (" Look-ups: store calls for one check." if is_counted else "")
        + " Outlived: when the revoked credential was last accepted. Elsewhere: L at verifiers that"
        " know nothing of Counterfoil, only JWTs. By default hybrid promises 10 s"
        " and jwt 5 min; both are yours to set."
    )
    if wrong:
        stage.outcome(f"Not as said: {' '.join(wrong)}", good=False)
        return
    stage.outcome(
        f"Every promise was kept, in {took:.0f} s. The server has ended; its folder is gone.",
        good=True,
    )


def _line(each: Measured, *, is_counted: bool) -> list[str]:
    read = [f"{each.looked_up.per_check:.2g}"] if is_counted and each.looked_up else []
    outlived = seconds(each.longest) if each.longest else "not at all"
    promised, elsewhere = f"{each.promised:.0f} s", f"{each.elsewhere:.0f} s"
    return [each.strategy, f"{each.wire_bytes} bytes", *read, outlived, promised, elsewhere]
