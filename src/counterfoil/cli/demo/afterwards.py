"""What follows a sign-in: other roles, a reply that is lost, a handle that is stolen."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from counterfoil.cli.demo.caller import Carried, NotAsSaid, shortened
from counterfoil.cli.demo.cast import Cast, SignedIn, bearer
from counterfoil.cli.demo.three_ways import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    code: str
    refused_after_seconds: float
    promised_seconds: float
    roles: list[str]
    same_session: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LostReply:
    same_successor: bool
    same_session: bool
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StolenHandle:
    owner: str
    thief: str
    thief_refreshing: str
    event: str
    grace_seconds: float


Scene = RoleChange | LostReply | StolenHandle


def role_change(cast: Cast) -> RoleChange:
    """Other roles reach a signed token, and nobody is signed out."""
    stage = cast.stage
    stage.chapter(
        "Ann is made an editor",
        "Roles stand in the token. Who changes them must not wait for it to expire, and need not"
        " sign anybody out.",
    )
    administrator = cast.sign_in("api", administrator=True).carried
    signed_in = cast.sign_in("api")
    before = cast.who_am_i(signed_in.carried).expect(200).body["claims"]["roles"]
    stage.step("before", f"her token says roles {json.dumps(before)}")
    path = f"/v1/admin/accounts/{cast.subject}"
    changed = cast.call("PATCH", path, carried=administrator, roles=["editor"]).expect(200)
    promised = float(changed.body["effective_within_seconds"])
    stage.step(
        "change", f"PATCH /v1/admin/accounts/…: 200, effective_within_seconds {promised:.0f}"
    )
    refused = cast.who_am_i(signed_in.carried).expect(401, "claims_stale")
    after = refused.began - changed.ended
    stage.step("old token", f"401 {refused.code}, {seconds(after)} after the answer")
    renewed = cast.refresh(signed_in.handle).expect(200)
    seen = cast.who_am_i(bearer(renewed.body["credential"]["token"])).expect(200).body
    stage.step("refresh", f"200; the new token says roles {json.dumps(seen['claims']['roles'])}")
    found = RoleChange(
        code=refused.code,
        refused_after_seconds=after,
        promised_seconds=promised,
        roles=seen["claims"]["roles"],
        same_session=seen["session_id"] == signed_in.session_id,
    )
    _require(found.roles == ["editor"], "The refreshed token has not the new role.")
    _require(found.same_session, "The refresh led to another session.")
    stage.outcome("The old roles are refused at once; it is still the same session.", good=True)
    return found


def lost_reply(cast: Cast) -> LostReply:
    """A refresh is repeated because its answer did not arrive."""
    stage = cast.stage
    stage.chapter(
        "A reply is lost",
        "A refresh spends the handle and gives its successor. If that never arrives, an honest"
        " client has only the spent one, as a thief might.",
    )
    administrator = cast.sign_in("api", administrator=True).carried
    signed_in = cast.sign_in("api")
    first = _successor(cast, signed_in)
    stage.step("refresh", f"200, and the train is in a tunnel: {shortened(first)} never arrives")
    second = _successor(cast, signed_in)
    same = first == second
    stage.step(
        "again", f"200, with the spent handle: {shortened(second)}, the same {len(second)} bytes"
    )
    _require(same, "The repeated refresh gave another successor.")
    seen = cast.refresh(second).expect(200).body["session"]["id"]
    kind = _noted(cast, signed_in, "refresh_repeated", administrator)
    stage.step("trail", f"{kind}: an administrator can see that it happened")
    found = LostReply(same_successor=same, same_session=seen == signed_in.session_id, event=kind)
    _require(found.same_session, "The successor led to another session.")
    stage.outcome(
        f"Within the grace period, here {cast.grace.total_seconds():.0f} s, a spent handle leads to"
        " the one successor that there is. It is computed, not kept.",
        good=True,
    )
    return found


def stolen_handle(cast: Cast) -> StolenHandle:
    """A thief refreshes first; the owner's next refresh tells."""
    stage = cast.stage
    stage.chapter(
        "A refresh handle is stolen",
        "A copy is as good as the original. What tells is that both come to be used.",
    )
    administrator = cast.sign_in("api", administrator=True).carried
    signed_in = cast.sign_in("api")
    taken = cast.refresh(signed_in.handle).expect(200).body["credential"]
    thiefs = bearer(taken["token"])
    cast.who_am_i(thiefs).expect(200)
    stage.step("thief", "copies Ann's handle, refreshes before she does, and is let in")
    _wait(cast)
    owner = cast.refresh(signed_in.handle).expect(401, "refresh_reused")
    stage.step("Ann", f"refreshes with what is now a spent handle: 401 {owner.code}")
    stage.step("is told", owner.body["next_step"])
    thief = cast.who_am_i(thiefs).expect(401, "session_revoked")
    refreshing = cast.refresh(taken["refresh_handle"]).expect(401, "session_revoked")
    stage.step("thief", f"401 {thief.code} for the token, 401 {refreshing.code} for the handle")
    kind = _noted(cast, signed_in, "refresh_reused", administrator)
    stage.step("trail", f"{kind}, with session, client and time, for administrators")
    stage.outcome(
        "Two held one handle. Nobody can tell which is the thief, so both are out, and Ann signs in"
        " again. A thief who always refreshes within the grace of the owner is not found this way.",
        good=True,
    )
    return StolenHandle(
        owner=owner.code,
        thief=thief.code,
        thief_refreshing=refreshing.code,
        event=kind,
        grace_seconds=cast.grace.total_seconds(),
    )


def as_json(scene: Scene) -> dict[str, Any]:
    return asdict(scene)


def _successor(cast: Cast, signed_in: SignedIn) -> str:
    reply = cast.refresh(signed_in.handle).expect(200)
    return str(reply.body["credential"]["refresh_handle"])


def _noted(cast: Cast, signed_in: SignedIn, kind: str, administrator: Carried) -> str:
    kinds = [line["kind"] for line in cast.events(signed_in.session_id, administrator)]
    _require(kind in kinds, f"The trail has no {kind}.")
    return kind


def _wait(cast: Cast) -> None:
    """Until the grace period is over."""
    length = cast.grace.total_seconds() + 0.1
    end = time.monotonic() + length
    with cast.stage.waiting("Waiting for the grace period to end") as far:
        while (left := end - time.monotonic()) > 0:
            far(f"{left:.1f} s")
            time.sleep(min(left, 0.1))
    cast.stage.step("", f"{length:.1f} s go by: the grace period is over")


def _require(holds: object, sentence: str) -> None:
    if not holds:
        raise NotAsSaid(sentence)
