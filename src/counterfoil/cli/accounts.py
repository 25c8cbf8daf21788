"""`counterfoil accounts`: who may sign in, with which roles, and whether they are let in."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.data import DataFolder, at, existing
from counterfoil.cli.options import IDS, AsJson, Data, Limit, Who
from counterfoil.cli.output import tell, tell_json, tell_table
from counterfoil.cli.secret_input import new_password
from counterfoil.cli.words import bounds, counted, stamp
from counterfoil.errors import ConfigurationError
from counterfoil.outcome import Changed, Revoked
from counterfoil.server.tables.accounts import Account

commands = typer.Typer(help="Accounts of the standalone server; works beside a running one.")

FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password, and print it.")]
After = Annotated[
    str | None, typer.Option("--after", metavar="SUBJECT", help="Go on after this account.")
]
Role = Annotated[list[str] | None, typer.Option("--role", help="A role; may be repeated.")]
Set = Annotated[str | None, typer.Option("--set", metavar="A,B", help="These roles and no other.")]
Add = Annotated[list[str] | None, typer.Option("--add", help="One role more; may be repeated.")]
Remove = Annotated[
    list[str] | None, typer.Option("--remove", help="One role less; may be repeated.")
]


@commands.command("list")
def listing(
    *, data: Data = None, after: After = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List accounts, oldest first."""

    async def work(folder: DataFolder) -> list[dict[str, Any]]:
        page = await folder.accounts.rows.page(after=after, limit=limit)
        return [await _described(folder, account) for account in page]

    page = at(data, work)
    following = page[-1]["subject"] if len(page) == limit else None
    if as_json:
        tell_json({"accounts": page, "next": following})
        return
    lines = [
        (
            each["identifier"],
            each["subject"],
            ",".join(each["roles"]) or "-",
            each["state"],
            stamp(each["created_at"]),
        )
        for each in page
    ]
    tell_table(("IDENTIFIER", "SUBJECT", "ROLES", "STATE", "CREATED"), lines)


@commands.command()
def add(
    identifier: Annotated[str, typer.Argument(help="What they will sign in with.")],
    *,
    role: Role = None,
    from_stdin: FromStdin = False,
    generate: Generate = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Add an account. Its password is asked for, unless an option says where it comes from."""

    async def work(folder: DataFolder) -> dict[str, Any]:
        account = await folder.accounts.register(identifier, password, roles=_split(role))
        return await _described(folder, account)

    existing(data)
    password = new_password(from_stdin=from_stdin, generate=generate)
    made = at(data, work)
    if as_json:
        tell_json({**made, "password": password} if generate else made)
        return
    tell(f"Added {identifier}: subject {made['subject']}, roles {_named(made['roles'])}.")
    if generate:
        tell(f"Password: {password}")


@commands.command(context_settings=IDS)
def set_password(
    who: Who,
    *,
    from_stdin: FromStdin = False,
    generate: Generate = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Set a password. Unlocks the account and ends its sessions."""
    account = at(data, lambda folder: folder.account(who))
    password = new_password(from_stdin=from_stdin, generate=generate)
    revoked = at(data, lambda folder: folder.accounts.set_password(account.subject, password))
    if as_json:
        answer = {**_changed(account, revoked), "revoked": revoked.count}
        tell_json({**answer, "password": password} if generate else answer)
        return
    ended = counted(revoked.count, "session")
    tell(f"Set the password of {account.identifier}; ended {ended}: {bounds(revoked)}.")
    if generate:
        tell(f"Password: {password}")


@commands.command(context_settings=IDS)
def roles(
    who: Who,
    *,
    set_: Set = None,
    add: Add = None,
    remove: Remove = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show or change roles."""
    if set_ is not None and (add or remove):
        raise ConfigurationError("Use --set alone, or --add and --remove.")

    async def work(folder: DataFolder) -> tuple[Account, list[str], Changed | None]:
        account = await folder.account(who)
        kept = account.roles if set_ is None else _split([set_])
        wanted = dict.fromkeys([*kept, *_split(add)])
        chosen = [role for role in wanted if role not in _split(remove)]
        if chosen == list(account.roles):
            return account, chosen, None
        return account, chosen, await folder.accounts.set_roles(account.subject, chosen)

    account, now, changed = at(data, work)
    if as_json:
        tell_json({**_changed(account, changed), "roles": now})
    elif changed is None:
        asked = set_ is not None or add or remove
        unchanged = " Nothing was changed." if asked else ""
        tell(f"{account.identifier} has the roles {_named(now)}.{unchanged}")
    else:
        tell(f"{account.identifier} now has the roles {_named(now)}: {bounds(changed)}.")


@commands.command(context_settings=IDS)
def suspend(who: Who, *, data: Data = None, as_json: AsJson = False) -> None:
    """Keep somebody out.

    None of their credentials is good until they are reinstated.
    """
    _set_state(who, data, suspended=True, as_json=as_json)


@commands.command(context_settings=IDS)
def reinstate(who: Who, *, data: Data = None, as_json: AsJson = False) -> None:
    """Lift a suspension. What was revoked stays revoked."""
    _set_state(who, data, suspended=False, as_json=as_json)


@commands.command(context_settings=IDS)
def unlock(who: Who, *, data: Data = None, as_json: AsJson = False) -> None:
    """Forget an account's failed sign-ins, and with them its lock."""

    async def work(folder: DataFolder) -> Account:
        account = await folder.account(who)
        await folder.accounts.attempts.unlock(account.canonical)
        return account

    account = at(data, work)
    if as_json:
        tell_json(_changed(account, None))
        return
    tell(f"Unlocked {account.identifier}: effective at once.")


def _set_state(who: str, data: Data, *, suspended: bool, as_json: bool) -> None:
    async def work(folder: DataFolder) -> tuple[Account, Changed | None]:
        account = await folder.account(who)
        if (await folder.auth.subject(account.subject)).is_suspended == suspended:
            return account, None
        verb = folder.auth.suspend if suspended else folder.auth.reinstate
        return account, await verb(account.subject)

    account, changed = at(data, work)
    state = "suspended" if suspended else "active"
    if as_json:
        tell_json({**_changed(account, changed), "state": state})
    elif changed is None:
        tell(f"{account.identifier} was {state} already. Nothing was changed.")
    else:
        verb = "Suspended" if suspended else "Reinstated"
        tell(f"{verb} {account.identifier}: {bounds(changed)}.")


async def _described(folder: DataFolder, account: Account) -> dict[str, Any]:
    state = await folder.auth.subject(account.subject)
    return {
        "subject": account.subject,
        "identifier": account.identifier,
        "roles": list(account.roles),
        "state": "suspended" if state.is_suspended else "active",
        "created_at": account.created_at,
    }


def _changed(account: Account, found: Changed | Revoked | None) -> dict[str, Any]:
    lag = found or Changed(count=0)
    return {
        "subject": account.subject,
        "identifier": account.identifier,
        "effective_within_seconds": lag.effective_within,
        "elsewhere_within_seconds": lag.elsewhere_within,
    }


def _split(texts: list[str] | None) -> list[str]:
    parts = (part.strip() for text in texts or () for part in text.split(","))
    return [part for part in parts if part]


def _named(roles: list[str]) -> str:
    return ", ".join(roles) or "(none)"
