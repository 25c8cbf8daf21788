"""What doctor finds in a data folder, and what lies in it."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from counterfoil.cli.doctor.examination import examine

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.cli.doctor.finding import Finding, Level


def found(data: Path | None, url: str | None = None) -> dict[str, Finding]:
    """By id; of several of one id the gravest."""
    return {each.id: each for each in reversed(examine(data, url).findings)}


def amiss(data: Path | None) -> dict[str, Level]:
    """What is wrong, or to be noticed."""
    graded = {name: each.level for name, each in found(data).items()}
    return {name: level for name, level in graded.items() if level in {"wrong", "warning"}}


def change(data: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(data / "counterfoil.db", isolation_level=None)) as connection:
        connection.execute(sql, values)


def state(data: Path, *, running: bool = False) -> dict[str, tuple[int, str]]:
    """Names, modes and contents."""
    return {
        str(path): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(data.rglob("*"))
        if path.is_file() and not (running and path.name.endswith("-shm"))
    }
