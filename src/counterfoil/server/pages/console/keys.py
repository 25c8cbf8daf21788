"""Signing keys: listed, retired, distrusted; what each will do is said before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from counterfoil.errors import Malformed, NotFound
from counterfoil.lifetime import has_passed
from counterfoil.server import key_changes
from counterfoil.server.pages import notices
from counterfoil.server.pages.answers import redirect
from counterfoil.server.pages.console import grave
from counterfoil.server.pages.console.entry import administered, page
from counterfoil.server.pages.console.grave import Grave
from counterfoil.server.pages.words import span, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.keys import KeyDescription
    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit

PLACE: Final = "/admin/keys"
_BACK: Final = (PLACE, "Back to the keys")
_ORDER: Final = ("active", "next", "retiring", "distrusted")


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """All of them, without their secrets: those for tokens first, and each kind from the active
    one on."""
    found = visit.parts.auth.keys.signing_keys().describe()
    ranked = sorted(
        found, key=lambda key: (key.purpose != "tokens", key.algorithm, _ORDER.index(key.state))
    )
    now = visit.now
    values = {
        "keys": ranked,
        "is_ready": {key.kid for key in ranked if has_passed(key.ready_at, now=now)},
        "clients_of": {key.kid: _clients(visit, key) for key in ranked},
    }
    return page(visit, "keys.html", values)


@administered
async def retire(visit: Visit, person: Person) -> Answer:
    """Signs with the next key from now on."""
    key = _key(visit)
    if key.state != "active" or key.purpose != "tokens":
        raise Malformed("Retire a key that signs tokens now: this one does not.")
    following = next(
        each
        for each in visit.parts.auth.keys.signing_keys().describe()
        if (each.state, each.algorithm, each.purpose) == ("next", key.algorithm, key.purpose)
    )

    async def act(_: Mapping[str, str]) -> Answer:
        await key_changes.rotate(visit.parts.auth, key.algorithm)
        visit.notify(notices.Notice("key-retired"))
        return redirect(visit.at(PLACE))

    longest = max(client.lifetime.access for client in visit.parts.clients.values())
    ready = has_passed(following.ready_at, now=visit.now)
    action = Grave(
        title=f"Retire {key.kid}",
        says=(
            f"{following.kid} signs {key.algorithm} tokens from then on, at once."
            if ready
            else f"{following.kid} may sign from {stamp(following.ready_at)} on: until then this is"
            " refused, for a verifier could lack it.",
            f"What {key.kid} has signed stays good until it expires, at most {span(longest)}.",
            "Nobody is signed out, and nobody has to refresh. A new next key is published.",
        ),
        button="Retire the key",
        back=_BACK,
    )
    return await grave.run(visit, person, action, act)


@administered
async def distrust(visit: Visit, person: Person) -> Answer:
    """Trusts a key no longer."""
    key = _key(visit)
    if key.state == "distrusted":
        raise Malformed("This key is distrusted already.")

    async def act(_: Mapping[str, str]) -> Answer:
        await key_changes.distrust(visit.parts.auth, key.kid)
        visit.notify(notices.Notice("key-distrusted"))
        return redirect(visit.at(PLACE))

    action = Grave(
        title=f"Distrust {key.kid}",
        says=tuple(_of_distrust(visit, key)),
        button="Distrust the key",
        back=_BACK,
    )
    return await grave.run(visit, person, action, act)


def _of_distrust(visit: Visit, key: KeyDescription) -> list[str]:
    says = [f"It is the {key.state} {key.algorithm} key for {key.purpose}. This cannot be undone."]
    if key.state == "next":
        return [*says, "It has signed nothing yet; another takes its place."]
    if key.purpose == "tokens":
        clients = ", ".join(_clients(visit, key)) or "no client now"
        says += [
            (
                f"Every token that it signed is refused: those of {clients}. Who holds one must"
                " refresh; sessions go on."
            ),
            (
                "At this server at once, at other verifiers within 5 minutes, or an hour where they"
                " are cut off."
            ),
        ]
    else:
        says.append("Verifiers take no list and no news that it signed, and ask anew.")
    if key.state == "active":
        says.append(
            "The next key signs at once, also where a verifier does not know it yet: that one"
            " refuses for up to 5 minutes."
        )
    return says


def _clients(visit: Visit, key: KeyDescription) -> list[str]:
    """Whose tokens a key of this algorithm signs."""
    if key.purpose != "tokens":
        return []
    return sorted(
        client.client_id
        for client in visit.parts.clients.values()
        if client.signs and client.algorithm == key.algorithm
    )


def _key(visit: Visit) -> KeyDescription:
    kid = visit.request.path_params["kid"]
    for key in visit.parts.auth.keys.signing_keys().describe():
        if key.kid == kid:
            return key
    raise NotFound("There is no key of this id.")
