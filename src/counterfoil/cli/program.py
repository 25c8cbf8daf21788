"""The commands, put together, and how every refusal leaves: one sentence, and an exit code."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from counterfoil.cli import accounts, clients, keys, sessions, store, token
from counterfoil.cli.advise.command import advise
from counterfoil.cli.backup import backup
from counterfoil.cli.compare.command import compare
from counterfoil.cli.demo.command import demo
from counterfoil.cli.doctor.command import doctor
from counterfoil.cli.output import say
from counterfoil.cli.refusals import EXIT_CODES, exit_code, sentence
from counterfoil.cli.restore import restore
from counterfoil.cli.serve import serve
from counterfoil.errors import CounterfoilError


class Told(TyperGroup):
    """Tells a refusal on standard error and exits as `EXIT_CODES` says."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CounterfoilError as why:
            say(sentence(why))
            raise typer.Exit(exit_code(why)) from None


program = typer.Typer(
    cls=Told,
    add_completion=False,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: Typer's boxes are no text to search or to copy
)
program.command()(serve)
program.command()(demo)
program.command()(compare)
program.command()(advise)
program.command()(doctor)
program.command()(backup)
program.command()(restore)
for name, commands in (
    ("accounts", accounts.commands),
    ("sessions", sessions.commands),
    ("clients", clients.commands),
    ("keys", keys.commands),
    ("store", store.commands),
    ("token", token.commands),
):
    program.add_typer(commands, name=name, no_args_is_help=True, epilog=EXIT_CODES)


def _tell_version(asked: bool | None) -> None:  # noqa: FBT001 - Typer's callbacks take no names
    if asked:
        typer.echo(f"counterfoil {version('counterfoil')}")
        raise typer.Exit


@program.callback()
def counterfoil(
    *,
    _: Annotated[
        bool | None,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version."),
    ] = None,
) -> None:
    """Sign-in sessions you can revoke, carried as a handle, a JWT, or a hybrid of both."""
    # A command says by itself, once, what went wrong; what is logged besides is for `serve`.
    logging.getLogger("counterfoil").addHandler(logging.NullHandler())
