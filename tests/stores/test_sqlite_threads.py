from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from counterfoil.drive import drive
from counterfoil.errors import StoreUnavailable
from counterfoil.ports import Commit, SessionQuery
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import a_session, opened


def writers() -> set[threading.Thread]:
    """The writers of this process; other tests may have servers that run in it."""
    return {thread for thread in threading.enumerate() if thread.name == "counterfoil-writer"}


async def test_no_thread_is_started_before_the_first_write(path: Path) -> None:
    """A process that only reads an existing store has no writer."""
    await SqliteStore(path).close()
    before = writers()
    store = SqliteStore(path)
    await store.look_up("s-1")
    assert not writers() - before
    await opened(store, a_session())
    assert len(writers() - before) == 1
    await store.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux lists open files here")
async def test_closing_lets_go_of_every_file_and_thread(path: Path) -> None:
    """Also of those that other threads opened; whoever still asks is told to ask later."""
    before = writers()
    store = SqliteStore(path)
    await opened(store, a_session())
    go_on = threading.Event()
    reader = threading.Thread(
        target=lambda: (drive(store.look_up("s-1")), go_on.wait()), daemon=True
    )
    reader.start()
    await store.look_up("s-1")
    await store.blocking().close()
    links = [Path(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]  # noqa: PTH208
    assert not [link for link in links if link.exists() and str(path) in str(link.readlink())]
    assert not writers() - before
    with pytest.raises(StoreUnavailable):
        await store.look_up("s-1")
    with pytest.raises(StoreUnavailable):
        await store.commit(Commit(sessions=(a_session("s-2"),)))
    go_on.set()
    reader.join()


async def test_a_task_that_is_cancelled_disturbs_nobody(store: SqliteStore) -> None:
    """What it asked for may be done or not; the others get their answers."""
    commits = [Commit(sessions=(a_session(f"s-{number}"),)) for number in range(20)]
    tasks = [asyncio.create_task(store.commit(commit)) for commit in commits]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1::2] == [True] * 10
    assert len(await store.sessions(SessionQuery(client_id="web"))) >= 10


def test_a_loop_that_is_gone_disturbs_nobody(path: Path) -> None:
    """The writer goes on for whoever comes next."""
    store = SqliteStore(path)
    gate = store.rows.database.writer.gate

    async def leave() -> None:
        gate.acquire()
        task = asyncio.ensure_future(store.commit(Commit(sessions=(a_session(),))))
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(leave())
    gate.release()
    assert drive(store.blocking().commit(Commit(sessions=(a_session("s-2"),)))) is True
    drive(store.close())
