"""One connection to PostgreSQL: how it is made, how long it may take, and what its errors mean."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import conninfo, errors

from counterfoil.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.abc import PQGen

T = TypeVar("T")
PATIENCE: Final = 5.0  # seconds that one statement may take, or wait for a lock
CONFLICTS: Final = 10  # with others, after which it is the database that is to blame
CONNECTED_WITHIN: Final = 2  # seconds, the least that psycopg knows
SCHEMES: Final = ("postgresql://", "postgres://")

# What an address may say otherwise. A server that has gone without a word is noticed by these.
_DEFAULTS: Final = {
    "application_name": "counterfoil",
    "connect_timeout": CONNECTED_WITHIN,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# An acknowledgement rests on COMMIT: it may not answer before the disk, and each standby that the
# server's operator has named, have what was written.
_SESSION: Final = """
SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit')
  = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
 set_config('default_transaction_isolation', 'read committed', false),
 set_config('idle_in_transaction_session_timeout', '30s', false),
 set_config('statement_timeout', %s, false)
"""


class CommitUnknown(Exception):
    """COMMIT was sent, and nobody knows what came of it."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """Gives up at `deadline`, whatever the server and the network do.

    psycopg waits without end for a server that is stopped but not gone. One that did not answer in
    time is closed, since an answer to an earlier question may still be on its way.
    """

    deadline: float = float("inf")
    warned: bool = False

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        left = max(0.0, self.deadline - time.monotonic())
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except errors._WaitTimeout:  # noqa: SLF001 - it has no other name
            if timeout is None or timeout > left:
                self.pgconn.finish()
            raise

    def allow(self, seconds: float) -> None:
        """Has what comes next to be over in so many seconds."""
        self.deadline = time.monotonic() + seconds

    @property
    def is_lost(self) -> bool:
        return self.closed or self.broken


def connect(address: str, *, patient: bool = False) -> Connection:
    """A connection to the server that takes writes. patient: no statement is ended for taking
    long. Raises `psycopg.Error`."""
    parameters: dict[str, Any] = {**_DEFAULTS, **conninfo.conninfo_to_dict(address)}
    # Of several hosts, and after a failover, the one that is not a standby.
    parameters["target_session_attrs"] = "read-write"
    connection = Connection.connect(autocommit=True, prepare_threshold=2, **parameters)
    try:
        connection.allow(CONNECTED_WITHIN)
        connection.execute(_SESSION, ("0" if patient else f"{PATIENCE:g}s",))
        connection.add_notice_handler(lambda notice: _warned(connection, notice))
    except BaseException:
        connection.close()
        raise
    return connection


def require_address(address: str) -> None:
    """Raises `ConfigurationError` for what is no address of a PostgreSQL database."""
    if not address.startswith(SCHEMES):
        raise ConfigurationError("Give PostgresStore a URL such as postgresql://host/database.")
    try:
        conninfo.conninfo_to_dict(address)
    except psycopg.ProgrammingError:  # whose text repeats what it could not read
        raise ConfigurationError(
            "Correct the URL of the database: postgresql://user@host:port/database."
        ) from None


def begin(connection: Connection, how: str = "") -> None:
    connection.execute(f"BEGIN {how}")


def commit(connection: Connection) -> None:
    """Raises `CommitUnknown` where it may have been committed, or not, or not everywhere.

    A server that stops waiting for its standby says that with a warning: it has committed then, and
    the standby, if it takes over, has not.
    """
    connection.warned = False
    try:
        done = connection.execute("COMMIT").statusmessage
    except psycopg.Error as why:
        if why.sqlstate is not None and why.sqlstate.startswith("40") and not connection.is_lost:
            raise  # it says that it has undone it
        raise CommitUnknown from why
    if connection.warned:
        raise CommitUnknown
    if done != "COMMIT":  # ROLLBACK, where a statement before it had failed
        raise errors.InFailedSqlTransaction


def roll_back(connection: Connection) -> None:
    """Undoes what was begun; where that cannot be said the server does so by itself."""
    try:
        if not connection.is_lost:
            connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()


def is_conflict(why: psycopg.Error) -> bool:
    """Whether the server has undone it for somebody else's sake, and it may be done again."""
    return isinstance(why, errors.SerializationFailure | errors.DeadlockDetected)


def undisturbed(work: Callable[[], T]) -> T:
    """What it makes, done again where the server undoes it for somebody else's sake."""
    for _ in range(CONFLICTS):
        try:
            return work()
        except psycopg.Error as why:
            if not is_conflict(why):
                raise
    return work()


def is_late(why: psycopg.Error) -> bool:
    """Whether no answer came in time."""
    return isinstance(why, errors._WaitTimeout)  # noqa: SLF001 - it has no other name


def is_unavailable(why: psycopg.Error) -> bool:
    """Whether the database could not answer, rather than was asked nonsense. It could not, too,
    where the tables are gone, or this user may not write to them: somebody is at work there."""
    if isinstance(why, errors.UndefinedTable | errors.InsufficientPrivilege):
        return True
    mistakes = (
        psycopg.IntegrityError,
        psycopg.ProgrammingError,
        psycopg.DataError,
        psycopg.NotSupportedError,
    )
    return not isinstance(why, mistakes)


def is_to_be_left(why: psycopg.Error) -> bool:
    """Whether another connection may lead to a server that can: this one takes no writes (any
    more), or is shutting down."""
    state = why.sqlstate or ""
    return isinstance(why, errors.ReadOnlySqlTransaction) or state.startswith(("57P", "08"))


def _warned(connection: Connection, notice: errors.Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":
        connection.warned = True
