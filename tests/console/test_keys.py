"""Keys listed, retired and distrusted, with what that does said before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import live
from console.administering import Desk, events
from pages.visiting import notice, place, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Site]:
    """A server whose keys a test may change."""
    with live.serving(tmp_path_factory.mktemp("keyed") / "data") as site:
        yield site


def keys(site: live.Site, algorithm: str, state: str, purpose: str = "tokens") -> list[str]:
    told: list[dict[str, Any]] = site.administrator().call("GET", "/v1/admin/keys").json["keys"]
    wanted = (algorithm, state, purpose)
    return [
        key["kid"] for key in told if (key["algorithm"], key["state"], key["purpose"]) == wanted
    ]


def test_all_keys_are_listed_without_their_secrets(keyed: live.Site) -> None:
    """The active ones of tokens can be retired, all can be distrusted; it says whose tokens they
    sign."""
    text = Desk.at(keyed).get("/admin/keys").raw.decode()
    [active], [following] = keys(keyed, "RS256", "active"), keys(keyed, "RS256", "next")
    assert f"/admin/keys/{active}/retire" in text
    assert f"/admin/keys/{following}/retire" not in text
    assert f"/admin/keys/{following}/distrust" in text
    assert "tokens of rsa" in text
    assert "status lists and the feed" in text
    assert "PRIVATE" not in text


def test_a_key_is_retired_and_the_next_one_signs(keyed: live.Site) -> None:
    """What the former signed stays good; a second time at once is refused, and why."""
    desk, device = Desk.at(keyed), keyed.person().sign_in("rsa")
    [active], [following] = keys(keyed, "RS256", "active"), keys(keyed, "RS256", "next")
    said = text_of(desk.get(f"/admin/keys/{active}/retire"))
    assert f"{following} signs RS256 tokens from then on, at once." in said
    assert "stays good until it expires, at most" in said
    assert place(desk.confirmed(f"/admin/keys/{active}/retire")) == "/admin/keys"
    assert keys(keyed, "RS256", "active") == [following]
    assert notice(desk.get("/admin/keys")).startswith("The next key signs from now on.")
    assert device.who().status == 200
    assert re.search(
        r"may sign from .* UTC on", text_of(desk.get(f"/admin/keys/{following}/retire"))
    )
    refused = desk.confirmed(f"/admin/keys/{following}/retire")
    assert refused.status == 409
    assert "The next key is not known to every verifier yet." in text_of(refused)
    [line] = [each for each in events(keyed) if each["kind"] == "key_rotated"]
    assert line["detail"]["by"] == desk.person.subject


def test_a_key_is_distrusted(keyed: live.Site) -> None:
    """What it signed is refused; it cannot be done twice."""
    desk, device = Desk.at(keyed), keyed.person().sign_in("api")
    [active] = keys(keyed, "ES256", "active")
    said = text_of(desk.get(f"/admin/keys/{active}/distrust"))
    for sentence in (
        "It is the active ES256 key for tokens. This cannot be undone.",
        "Every token that it signed is refused: those of api,",
        "at other verifiers within 5 minutes, or an hour where they are cut off",
        "The next key signs at once",
    ):
        assert sentence in said
    assert place(desk.confirmed(f"/admin/keys/{active}/distrust")) == "/admin/keys"
    assert notice(desk.get("/admin/keys")).startswith("The key is distrusted.")
    live.until(lambda: device.who().code == "key_unknown")
    for answer in (
        desk.get(f"/admin/keys/{active}/distrust"),
        desk.confirmed(f"/admin/keys/{active}/distrust"),
    ):
        assert "distrusted already" in text_of(answer)
    [line] = [each for each in events(keyed) if each["kind"] == "key_distrusted"]
    assert line["detail"] == {"kid": active, "by": desk.person.subject}


def test_of_every_state_and_purpose_it_is_said_what_that_does(keyed: live.Site) -> None:
    """A next one has signed nothing; a status key signs lists."""
    desk = Desk.at(keyed)
    [following] = keys(keyed, "EdDSA", "next")
    assert "It has signed nothing yet" in text_of(desk.get(f"/admin/keys/{following}/distrust"))
    [status] = keys(keyed, "ES256", "active", "status")
    assert "Verifiers take no list" in text_of(desk.get(f"/admin/keys/{status}/distrust"))


@pytest.mark.parametrize("path", ["nothing/retire", "nothing/distrust"])
def test_a_key_that_is_not_there_is_not_found(keyed: live.Site, path: str) -> None:
    """404 in words."""
    answer = Desk.at(keyed).get(f"/admin/keys/{path}")
    assert (answer.status, "There is no key of this id" in text_of(answer)) == (404, True)


def test_only_what_signs_tokens_can_be_retired(keyed: live.Site) -> None:
    """Neither a next key nor one for status."""
    desk = Desk.at(keyed)
    for kid in (*keys(keyed, "EdDSA", "next"), *keys(keyed, "ES256", "active", "status")):
        assert desk.get(f"/admin/keys/{kid}/retire").status == 400


def test_nothing_happens_to_a_key_without_the_password(keyed: live.Site) -> None:
    """The set is as it was."""
    desk = Desk.at(keyed)
    [active] = keys(keyed, "EdDSA", "active")
    for action in ("retire", "distrust"):
        assert desk.post(f"/admin/keys/{active}/{action}", password=live.WRONG).status == 401
    assert keys(keyed, "EdDSA", "active") == [active]
