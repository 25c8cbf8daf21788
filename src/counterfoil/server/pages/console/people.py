"""People: found by how their identifier begins; their roles, sessions and suspension."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from counterfoil.errors import Malformed, NotFound
from counterfoil.server.accounts import canonicalised
from counterfoil.server.api.context import ADMIN
from counterfoil.server.pages import notices
from counterfoil.server.pages.answers import redirect
from counterfoil.server.pages.console import ended, grave
from counterfoil.server.pages.console.entry import administered, asked, page
from counterfoil.server.pages.console.grave import Field, Grave
from counterfoil.server.pages.console.listing import Wanted, listed
from counterfoil.server.pages.console.sessions import BECAUSE, rows, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from counterfoil.server.pages.answers import Answer
    from counterfoil.server.pages.visit import Person, Visit
    from counterfoil.server.tables.accounts import Account

PLACE: Final = "/admin/people"
_SHOWN: Final = 50
_LINES: Final = 20


@administered
async def show(visit: Visit, _: Person) -> Answer:
    """Those whose identifier begins so, in its order; all of them where nothing is asked for."""
    begins = asked(visit, "name")
    accounts, cannot_be = [], False
    try:
        prefix = canonicalised(begins) if begins else ""
    except Malformed:
        cannot_be = True
    else:
        accounts = await visit.parts.accounts.rows.search(
            prefix, after=asked(visit, "after") or None, limit=_SHOWN
        )
    states = {each.subject: await visit.parts.auth.subject(each.subject) for each in accounts}
    following = accounts[-1].canonical if len(accounts) == _SHOWN else ""
    query = urlencode({"name": begins, "after": following})
    values = {
        "name": begins,
        "cannot_be": cannot_be,
        "accounts": accounts,
        "suspended": {subject for subject, state in states.items() if state.is_suspended},
        "next": f"{PLACE}?{query}" if following else None,
    }
    return page(visit, "people.html", values)


@administered
async def show_one(visit: Visit, person: Person) -> Answer:
    """One person: roles, state, sessions, and the newest of their trail."""
    account = await _account(visit)
    state = await visit.parts.auth.subject(account.subject)
    store = visit.parts.auth.store
    found = await listed(store, Wanted(subject=account.subject), visit.parts.clients, now=visit.now)
    lines = await store.trail(subject=account.subject, limit=_LINES)
    values = {
        "account": account,
        "suspended_at": state.suspended_at,
        "is_self": account.subject == person.subject,
        "has_more": found.next is not None,
        "lines": lines,
        **await rows(visit, found.sessions),
        **await told(visit, [line.event for line in lines]),
    }
    return page(visit, "person.html", values)


@administered
async def end_sessions(visit: Visit, person: Person) -> Answer:
    """Ends every session of one person."""
    await visit.fields()
    account = await _account(visit)
    revoked = await visit.parts.auth.revoke_all(account.subject, because=BECAUSE)
    if account.subject == person.subject:
        visit.clear()
        visit.notify(notices.of("sign-out", revoked))
        return redirect(visit.at("/login"))
    return await ended.tell(visit, "person", account.subject, revoked)


@administered
async def suspend(visit: Visit, person: Person) -> Answer:
    """Suspends, but not oneself."""
    account = await _account(visit)
    if account.subject == person.subject:
        raise Malformed("Suspend another account: this one is yours.")

    async def act(_: Mapping[str, str]) -> Answer:
        changed = await visit.parts.auth.suspend(account.subject)
        visit.notify(notices.of("suspended", changed))
        return redirect(_at(visit, account))

    action = Grave(
        title=f"Suspend {account.identifier}",
        says=(
            "No credential of theirs is accepted until they are reinstated.",
            "That holds at this server at once, at other verifiers within each client's bound.",
            "They cannot sign in.",
            "Their sessions are kept: once reinstated, those go on that have not expired.",
        ),
        button="Suspend",
        back=_back(account),
    )
    return await grave.run(visit, person, action, act)


@administered
async def reinstate(visit: Visit, person: Person) -> Answer:
    """Lifts a suspension."""
    account = await _account(visit)

    async def act(_: Mapping[str, str]) -> Answer:
        changed = await visit.parts.auth.reinstate(account.subject)
        visit.notify(notices.Notice("reinstated", changed.count))
        return redirect(_at(visit, account))

    action = Grave(
        title=f"Reinstate {account.identifier}",
        says=(
            "They can sign in again, and their sessions that have neither ended nor expired go on.",
            "If a password or a device was stolen, end all sessions first.",
        ),
        button="Reinstate",
        back=_back(account),
    )
    return await grave.run(visit, person, action, act)


@administered
async def set_roles(visit: Visit, person: Person) -> Answer:
    """Gives other roles."""
    account = await _account(visit)

    async def act(sent: Mapping[str, str]) -> Answer:
        chosen = sent["roles"].replace(",", " ").split()
        changed = await visit.parts.accounts.set_roles(account.subject, chosen)
        visit.notify(notices.of("roles", changed))
        return redirect(_at(visit, account))

    says = [
        "Credentials with the former roles are refused within the bound of each client.",
        "A refresh brings the new ones, so nobody is signed out.",
        f"The role {ADMIN} opens this console and the administration of the API.",
    ]
    if account.subject == person.subject:
        says.append(f"This is your own account: without {ADMIN} this page is closed to you.")
    action = Grave(
        title=f"Roles of {account.identifier}",
        says=tuple(says),
        button="Set the roles",
        back=_back(account),
        fields=(
            Field(
                name="roles",
                label="Roles",
                value=" ".join(account.roles),
                hint="With spaces between them; none for no role.",
            ),
        ),
    )
    return await grave.run(visit, person, action, act)


async def _account(visit: Visit) -> Account:
    with suppress(NotFound):
        return await visit.parts.accounts.account(visit.request.path_params["subject"])
    raise NotFound("There is no account of this subject.")


def _path(account: Account) -> str:
    return f"{PLACE}/{quote(account.subject)}"


def _at(visit: Visit, account: Account) -> str:
    return visit.at(_path(account))


def _back(account: Account) -> tuple[str, str]:
    return _path(account), "Back to the person"
