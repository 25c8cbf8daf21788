"""Sessions in PostgreSQL (14 and newer): for any number of processes on any number of machines.

What `commit` acknowledges is on the server's disk, and on those standbys that the server is set to
wait for; uses and notes may be lost in a crash. Reads are of the server that takes writes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from counterfoil.drive import drive
from counterfoil.errors import ConfigurationError
from counterfoil.stores.migrations import migrate
from counterfoil.stores.postgres_connection import require_address
from counterfoil.stores.postgres_database import Database
from counterfoil.stores.postgres_look_ups import LookUp
from counterfoil.stores.postgres_rows import BlockingPostgresRows, PostgresRows
from counterfoil.stores.postgres_setup import prepare
from counterfoil.stores.sealed_keys import Seal, SealedKeys
from counterfoil.stores.statements.records import is_storable
from counterfoil.stores.statements.sessions import found_of
from counterfoil.stores.statements.store import RowsStore

if TYPE_CHECKING:
    from os import PathLike

    from counterfoil.ports import Found, Keys
    from counterfoil.stores.durability import Durability


class PostgresStore(RowsStore):
    """Keeps sessions in the database at `address`, a URL such as `postgresql://host/database`; of
    several hosts, the one that takes writes. Its tables begin with `cf_` and lie in the first
    schema of the search path, so an application may keep others beside them.

    Under an event loop it waits for no answer in the loop; `blocking()` waits in the calling
    thread. Both share a few threads with a connection each (7 at most, and one that listens), and
    closing either closes both. Raises `ConfigurationError` where sessions cannot be kept, a newer
    version has been at work, or the server may lose what it acknowledged, and `StoreUnavailable`
    where it does not answer. durability: "may-lose-on-failover" to go on with such a server.
    """

    rows: BlockingPostgresRows

    def __init__(self, address: str, *, durability: Durability = "durable") -> None:
        require_address(address)
        database = Database(address)
        try:
            prepare(database, durability)
            drive(migrate(BlockingPostgresRows(database, "work")))
        except BaseException:
            database.close()
            raise
        _show(self, PostgresRows, database)

    def blocking(self) -> PostgresStore:
        if not self.suspends:
            return self
        face = PostgresStore.__new__(PostgresStore)
        _show(face, BlockingPostgresRows, self.rows.database)
        return face

    def default_keys(self) -> Keys:
        raise ConfigurationError(
            "Give Counterfoil keys=store.sealed_keys(secret_file=…, folder=…): beside a database"
            " across a network there are no files."
        )

    def sealed_keys(
        self, *, secret_file: str | PathLike[str], folder: str | PathLike[str]
    ) -> SealedKeys:
        """The keys kept in this database, sealed under the secret in a file that every node has.
        folder: this node's own, on its disk, where it notes how far the store has come. Raises
        `ConfigurationError`, and `StoreUnavailable`."""
        rows = BlockingPostgresRows(self.rows.database, "feed")
        keys = SealedKeys(rows, seal=Seal.in_file(secret_file), folder=folder)
        keys.refresh()
        return keys

    async def look_up(self, session_id: str) -> Found | None:
        if not is_storable(session_id):
            return None
        ask = partial(LookUp, session_id=session_id)
        row = await self.rows.handed(self.rows.database.lanes["look_ups"], ask)
        return None if row is None else found_of(row)

    async def close(self) -> None:
        self.rows.database.close()


def _show(store: PostgresStore, face: type[BlockingPostgresRows], database: Database) -> None:
    RowsStore.__init__(store, face(database, "work"), feed_rows=face(database, "feed"))
