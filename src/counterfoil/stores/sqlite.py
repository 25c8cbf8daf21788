"""Sessions in one SQLite file, for one machine: any number of threads and processes on it.

What `commit` acknowledges has reached the disk (WAL, synchronous=FULL); uses and notes may be lost
in a power cut. The file must be on a local disk: SQLite's locks do not reach across a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.migrations import migrate
from counterfoil.stores.sqlite_database import Database
from counterfoil.stores.sqlite_rows import BlockingSqliteRows, SqliteRows
from counterfoil.stores.statements.store import RowsStore

if TYPE_CHECKING:
    from os import PathLike


class SqliteStore(RowsStore):
    """Keeps sessions at `path`, made (mode 0600) if it is not there; its tables begin with `cf_`,
    so an application may keep others beside them.

    Under an event loop it reads on the loop and waits for writes; `blocking()` waits for those in
    the calling thread. Both share one writer thread, and closing either closes both. Raises
    `ConfigurationError` where a database cannot be kept, or a newer version has been at work.
    """

    rows: BlockingSqliteRows

    def __init__(self, path: str | PathLike[str]) -> None:
        if "://" in str(path):  # a folder of that name would be made
            raise ConfigurationError("Give SqliteStore a path such as app.db, not a URL.")
        database = Database(Path(path).absolute())
        super().__init__(SqliteRows(database))
        drive(migrate(BlockingSqliteRows(database)))

    @property
    def path(self) -> Path:
        return self.rows.database.path

    def blocking(self) -> SqliteStore:
        if not self.suspends:
            return self
        face = SqliteStore.__new__(SqliteStore)
        RowsStore.__init__(face, BlockingSqliteRows(self.rows.database))
        return face

    def default_keys(self) -> KeyFiles:
        return KeyFiles(self.path.parent / "keys")

    async def close(self) -> None:
        self.rows.database.close()
