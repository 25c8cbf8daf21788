"""`counterfoil`, with a bug: what it acknowledges is not on the disk yet, for up to 0.6 s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.cli.main import main
from counterfoil.stores import postgres_rows
from counterfoil.stores.postgres_connection import begin

if TYPE_CHECKING:
    from counterfoil.stores.postgres_connection import Connection


def begin_early(connection: Connection, how: str = "") -> None:
    begin(connection, f"{how}; SET LOCAL synchronous_commit = off")


if __name__ == "__main__":
    postgres_rows.begin = begin_early  # type: ignore[attr-defined]
    main()
