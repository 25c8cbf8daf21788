"""Nothing that is shown, logged, kept or raised holds a credential."""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from counterfoil import Presented
from counterfoil.errors import CounterfoilError
from scenes import EVERY_ID, Roles, Scene, credential, handle, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from counterfoil import Opened


def secrets_of(s: Scene, *given: Opened) -> set[str]:
    """Every text that must not be seen, whole or in the part that makes it secret."""
    found: set[str] = set()
    for opened in given:
        for text in {credential(opened).text, handle(opened).text}:
            found |= {text, text[-30:], text[-60:-30]}
        digest = opened.session.handle_digest
        found |= {digest.hex(), repr(digest)[2:-1]}
    for key in s.auth.keys.signing_keys().keys:
        found |= {key.material.to_jwk()["d"]}
    for k in s.auth.keys.handle_secrets().versions.values():
        found |= {k.hex(), repr(k)[2:-1]}
    return found


def parts_of(value: Any, seen: set[int]) -> Iterator[object]:
    """The value and what can be reached from it, as far as it is ours."""
    if id(value) in seen or not type(value).__module__.startswith("counterfoil"):
        return
    seen.add(id(value))
    yield value
    names = getattr(value, "__slots__", None) or getattr(value, "__dict__", {})
    for name in names:
        yield from parts_of(getattr(value, name, None), seen)


async def played(s: Scene) -> list[Opened]:
    """A bit of everything, so that every cache and record is filled."""
    given = []
    for client_id in EVERY_ID:
        opened = await s.open("ann", client_id, device="Firefox")
        await s.check(opened)
        renewed = await s.refresh(opened)
        await s.refresh(opened)
        stepped = await s.auth.step_up(credential(renewed))
        await s.check(stepped)
        given += [opened, renewed, stepped]
    await s.auth.claims_changed("ann")
    return given


async def test_no_repr_holds_a_secret() -> None:
    """Of the engine, its parts, its records and its answers, after everything has been used."""
    with scene(claims=Roles({"ann": ["admin"]})) as s:
        given = await played(s)
        secrets = secrets_of(s, *given)
        shown = [
            *map(repr, given),
            *(repr(credential(each)) for each in given),
            *(repr(each.credential) for each in given),
            repr(await s.auth.sessions("ann")),
            repr(await s.store.look_up(given[0].session.id)),
            repr(await s.auth.confirm(credential(given[2]))),
            *map(repr, parts_of(s.auth, set())),
        ]
        assert len(shown) > 30
        assert [secret for secret in secrets for text in shown if secret in text] == []


async def test_no_event_holds_a_secret() -> None:
    """Each is plain JSON, too."""
    with scene() as s:
        given = await played(s)
        text = repr(await s.trail())
        for event in await s.trail():
            text += json.dumps(dict(event.detail))
        assert [secret for secret in secrets_of(s, *given) if secret in text] == []


async def test_no_record_holds_a_credential() -> None:
    """Who reads the whole store, keys apart, can present nothing."""
    with scene() as s:
        given = await played(s)
        held = [
            getattr(s.store, name)
            for name in ("_sessions", "_subjects", "_clients", "_changes", "_trail")
        ]
        kept = pickle.dumps([[dataclasses.asdict(r) for r in held[0].values()], *held[1:]])
        for opened in given:
            for text in {credential(opened).text, handle(opened).text}:
                assert text.encode() not in kept
                assert text[-30:].encode() not in kept


async def test_no_error_holds_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does its cause, its context, its traceback's text or a log line."""
    caplog.set_level(logging.DEBUG)
    with scene() as s:
        given = await played(s)
        wrong = [
            presented
            for opened in given
            for text in {credential(opened).text, handle(opened).text}
            for presented in (
                Presented(text),
                Presented(text, "cookie", "web"),
                Presented(text + "A"),
                Presented(text[:-1] + ("A" if text[-1] != "A" else "B")),
                Presented(text.replace(".", "..", 1)),
                Presented(f" {text}"),
                Presented(text.upper()),
            )
        ]
        s.advance(timedelta(seconds=11))
        raised: list[str] = []
        for presented in wrong:
            for verb in (s.auth.check, s.auth.confirm, s.auth.step_up, s.auth.refresh):
                try:
                    await verb(presented)
                except CounterfoilError as why:
                    raised.append("".join(traceback.format_exception(why)))
                    raised.append(repr(why) + why.detail + why.next_step)
        assert len(raised) > 200
        secrets = secrets_of(s, *given)
        assert [x for x in secrets for text in raised if x in text] == []
        assert [x for x in secrets if x in caplog.text] == []


@pytest.mark.parametrize("client_id", EVERY_ID)
async def test_what_a_caller_does_to_claims_stays_with_the_caller(client_id: str) -> None:
    """`Verified.roles` is a tuple; and the record is not what `open` was given."""
    given = {"roles": ["reader"], "teams": ["red"]}
    with scene() as s:
        opened = await s.open("ann", client_id, claims=given)
        given["roles"].append("admin")
        given["teams"].append("blue")
        seen = await s.check(opened)
        assert seen.roles == ("reader",)
        assert seen.claims["teams"] == ["red"]
        assert (await s.check(await s.refresh(opened))).roles == ("reader",)
