"""The Python that runs this, what is installed in it, and its SQLite."""

from __future__ import annotations

import platform
import re
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from typing import Final

from counterfoil.cli.doctor.finding import Finding, ok, warning, wrong
from counterfoil.stores.sqlite_file import OLDEST

_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r"""extra == ['"](\w+)['"]""")


def findings() -> Iterator[Finding]:
    version = metadata.version("counterfoil")
    yield ok("python", f"Counterfoil {version} on Python {platform.python_version()}.")
    yield from _extras(metadata.requires("counterfoil") or [])
    yield _sqlite(sqlite3.sqlite_version_info, sqlite3.sqlite_version)


def _extras(requirements: list[str]) -> Iterator[Finding]:
    """Which extras are there; one that is there in part was meant to be."""
    wanted: dict[str, list[str]] = {}
    for text in requirements:
        extra, name = _EXTRA.search(text), _NAME.match(text)
        if extra is not None and name is not None:
            wanted.setdefault(extra[1], []).append(name[0])
    lacking = {
        name: [each for each in names if not _is_installed(each)] for name, names in wanted.items()
    }
    whole = sorted(name for name, names in lacking.items() if not names)
    yield ok("extras", f"Extras that are installed: {', '.join(whole) or 'none'}.")
    if missing := lacking.get("server"):
        says = f"The extra server lacks {', '.join(missing)}."
        yield warning("extras", says, "Run pip install 'counterfoil[server]'.")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _sqlite(version: tuple[int, ...], named: str) -> Finding:
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return wrong(
            "sqlite", f"SQLite is {named}.", f"Use a Python with SQLite {oldest} or newer."
        )
    return ok("sqlite", f"SQLite is {named}.")
