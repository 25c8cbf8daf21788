"""Clients: registered, their settings and secrets changed, all of their sessions ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, get_args

from counterfoil.client import Algorithm, Client
from counterfoil.errors import ConfigurationError, Malformed, NotFound
from counterfoil.server.pages import notices
from counterfoil.server.pages.answers import redirect
from counterfoil.server.pages.console import client_forms, ended, grave
from counterfoil.server.pages.console.entry import administered, page
from counterfoil.server.pages.console.grave import Field, Grave
from counterfoil.server.pages.words import short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit

PLACE: Final = "/admin/clients"
NEW: Final = "/admin/new-client"


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """All of them, as the table has them now."""
    changes = visit.parts.client_changes
    values = {
        "clients": list((await changes.rows.clients()).values()),
        "made_at": await changes.secrets.made_at(),
    }
    return page(visit, "clients.html", values)


@administered
async def show_one(visit: Visit, _: Person) -> Answer:
    """One client: its settings and when its secrets were made."""
    client = await _client(visit)
    changes = visit.parts.client_changes
    made_at = await changes.secrets.made_at()
    values = {
        "client": client,
        "follows": client.client_id not in await changes.rows.with_own_lifetime(),
        "secrets": made_at.get(client.client_id, []),
        "is_own": client.client_id == visit.parts.pages_client,
    }
    return page(visit, "client.html", values)


@administered
async def register(visit: Visit, person: Person) -> Answer:
    """Registers one."""

    async def act(sent: Mapping[str, str]) -> Answer:
        changes = visit.parts.client_changes
        lifetime, is_own = client_forms.lifetime(sent, changes.rows.default)
        client = _made(
            client_id=sent["client_id"].strip(),
            strategy=sent["strategy"],
            carrier=sent["carrier"],
            audience=sent["audience"].strip(),
            algorithm=sent["algorithm"],
            typ=sent["typ"].strip(),
            lifetime=lifetime,
            max_staleness=client_forms.span(sent["max_staleness"], "the bound"),
            manage=sent["manage"] == "yes",
        )
        try:
            await changes.register(client, own_lifetime=is_own)
        except ConfigurationError as why:
            raise Malformed(why.detail) from None
        visit.notify(notices.Notice("client-added"))
        return redirect(visit.at(f"{PLACE}/{client.client_id}"))

    action = Grave(
        title="Register a client",
        says=(
            "People can sign in to it as soon as it is there.",
            "Strategy, carrier, audience, algorithm and type are in its credentials, and stay.",
            "The rest can be changed later.",
        ),
        button="Register",
        back=(PLACE, "Back to the clients"),
        fields=(
            Field(name="client_id", label="Client id", hint=client_forms.ID_HINT, required=True),
            Field(name="strategy", label="Strategy", choices=client_forms.STRATEGIES),
            Field(name="carrier", label="Carrier", choices=client_forms.CARRIERS),
            Field(name="audience", label="Audience", hint="By default the client id."),
            Field(
                name="algorithm",
                label="Algorithm",
                choices=tuple((each, each) for each in get_args(Algorithm)),
            ),
            Field(name="typ", label="Type of its tokens", value="at+jwt"),
            *client_forms.settings(None, client_forms.STALENESS),
        ),
    )
    return await grave.run(visit, person, action, act)


@administered
async def change(visit: Visit, person: Person) -> Answer:
    """Changes what may change."""
    client = await _client(visit)
    rows = visit.parts.client_changes.rows
    follows = client.client_id not in await rows.with_own_lifetime()
    is_own = client.client_id == visit.parts.pages_client

    async def act(sent: Mapping[str, str]) -> Answer:
        lifetime, has_own = client_forms.lifetime(sent, rows.default)
        if is_own and sent["manage"] != "yes":
            raise Malformed("Let it manage: these pages sign in to this client.")
        staleness = client_forms.span(sent["max_staleness"], "the bound")
        try:
            changed = replace(
                client,
                lifetime=lifetime,
                max_staleness=staleness,
                manage=sent["manage"] == "yes",
            )
        except ConfigurationError as why:
            raise Malformed(why.detail) from None
        await visit.parts.client_changes.change(changed, own_lifetime=has_own)
        visit.notify(notices.Notice("client-changed"))
        return redirect(_at(visit, client))

    action = Grave(
        title=f"Settings of {client.client_id}",
        says=(
            "Sessions that are open keep their idle and absolute end.",
            "What is issued from then on has the new lifetimes.",
            "A bound that is lowered holds once the former has passed since.",
            "Where it may manage, its people can list and end their sessions by it.",
            "Administrators can then administer by it.",
        ),
        button="Change the settings",
        back=_back(client),
        fields=client_forms.settings(
            None if follows else client.lifetime,
            short(client.max_staleness),
            manage=client.manage,
        ),
    )
    return await grave.run(visit, person, action, act)


@administered
async def make_secret(visit: Visit, person: Person) -> Answer:
    """Makes a secret, and shows it this once: the answer is not stored, and no page shows it
    again."""
    client = await _client(visit)

    async def act(_: Mapping[str, str]) -> Answer:
        made = await visit.parts.client_changes.make_secret(client.client_id)
        return page(visit, "secret.html", {"client": client, "secret": made})

    action = Grave(
        title=f"A new secret for {client.client_id}",
        says=(
            "It is shown once, on the next page, and is good at once. Only its digest is kept.",
            (
                "Programs with it may ask about and end the client's credentials, refresh them, and"
                " follow the feed by its name."
            ),
            "A client has two at most: the former stays good until it is revoked.",
        ),
        button="Make the secret",
        back=_back(client),
    )
    return await grave.run(visit, person, action, act)


@administered
async def revoke_secrets(visit: Visit, person: Person) -> Answer:
    """Ends the former secret, or all."""
    client = await _client(visit)

    async def act(sent: Mapping[str, str]) -> Answer:
        is_all = sent["which"] == "all"
        await visit.parts.client_changes.revoke_secrets(client.client_id, newest=is_all)
        visit.notify(notices.Notice("secrets-revoked"))
        return redirect(_at(visit, client))

    action = Grave(
        title=f"Revoke secrets of {client.client_id}",
        says=("Programs that still use them are refused from then on.",),
        button="Revoke",
        back=_back(client),
        fields=(
            Field(
                name="which",
                label="Which",
                value="former",
                choices=(("former", "all but the newest"), ("all", "all of them")),
            ),
        ),
    )
    return await grave.run(visit, person, action, act)


@administered
async def end_sessions(visit: Visit, person: Person) -> Answer:
    """Ends every session of one client."""
    client = await _client(visit)
    is_own = client.client_id == visit.parts.pages_client

    async def act(_: Mapping[str, str]) -> Answer:
        began = visit.now
        revoked = await visit.parts.endings.end(client.client_id)
        if revoked is None:
            return ended.tell_that_it_goes_on(visit, client, began=began)
        return await ended.tell(visit, "client", client.client_id, revoked)

    says = [
        "Everybody who is signed in to it is signed out, and sign-ins under way fail.",
        "They are ended in batches: a million takes minutes, and a page shows how far it is.",
    ]
    if is_own:
        says.append("These pages sign in to this client, so you are signed out as well.")
    action = Grave(
        title=f"End all sessions of {client.client_id}",
        says=tuple(says),
        button="End all sessions",
        back=_back(client),
    )
    return await grave.run(visit, person, action, act)


async def _client(visit: Visit) -> Client:
    """As the table has it now: what other processes know is up to a second old."""
    found = await visit.parts.client_changes.rows.clients()
    client = found.get(visit.request.path_params["client_id"])
    if client is None:
        raise NotFound("There is no client of this id.")
    return client


def _made(**settings: object) -> Client:
    """Raises `Malformed` for what cannot work."""
    try:
        return Client(**settings)  # type: ignore[arg-type] # it looks at each of them itself
    except ConfigurationError as why:
        raise Malformed(why.detail) from None


def _path(client: Client) -> str:
    return f"{PLACE}/{client.client_id}"


def _at(visit: Visit, client: Client) -> str:
    return visit.at(_path(client))


def _back(client: Client) -> tuple[str, str]:
    return _path(client), "Back to the client"
