"""Secrets that come in: never as an argument, which a shell writes down and other users see."""

from __future__ import annotations

import secrets
import sys

import typer

from counterfoil.cli.output import say
from counterfoil.errors import ConfigurationError, Malformed

GENERATED_BYTES = 15
LONGEST = 64 * 1024


def new_password(*, from_stdin: bool, generate: bool) -> str:
    """A password to set: made here, the line that standard input holds, or asked for twice."""
    if from_stdin and generate:
        raise ConfigurationError("Choose one of --password-stdin and --generate.")
    if generate:
        return secrets.token_urlsafe(GENERATED_BYTES)
    if from_stdin:
        return _line("password")
    if not sys.stdin.isatty():
        raise ConfigurationError("Use --password-stdin or --generate: no terminal to ask on.")
    answer: str = typer.prompt("Password", hide_input=True, err=True)
    if answer != typer.prompt("The same again", hide_input=True, err=True):
        raise Malformed("The two passwords differ.")
    return answer


def credential(given: str) -> str:
    """The text of a credential: the argument, or with "-" what standard input holds. A leading
    `Bearer` is left out."""
    text = given
    if given == "-":
        if sys.stdin.isatty():
            say("Paste the credential; it is not shown.")
            text = typer.prompt("Credential", hide_input=True, err=True)
        else:
            text = _line("credential")
    word, _, rest = text.strip().partition(" ")
    return rest.strip() if word.lower() == "bearer" else text.strip()


def _line(what: str) -> str:
    """The one line of standard input. Raises `Malformed`."""
    try:
        text = sys.stdin.read(LONGEST).removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Malformed(f"The {what} on standard input is not UTF-8.") from None
    if not text or "\n" in text:
        raise Malformed(f"Write the {what} to standard input, as one line.")
    return text
