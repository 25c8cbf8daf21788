from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.drive import drive
from counterfoil.status_change import INVALID
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import NOW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Opens a session and revokes it, for ever, some at a time; says so in one write when a revocation
# is acknowledged. A careless one commits everything as if it were a touch.
REVOKES: Final = """
import asyncio, itertools, os, sys
from counterfoil.stores import sqlite_database
from counterfoil.stores.sqlite import SqliteStore
from counterfoil.testing.records import SECOND, a_session, an_index, opened, revoke

path, commits, name, tasks = sys.argv[1:]
if commits == "careless":
    connect = sqlite_database.Database.connect
    sqlite_database.Database.connect = lambda self, *, durable: connect(self, durable=False)

async def work(store, names):
    for name in names:
        session = a_session(name, subject=name, indices=(await an_index(store),))
        await opened(store, session)
        await store.touch(name, session.last_seen_at + SECOND)
        await revoke(store, name)
        os.write(1, f"revoked {name}\\n".encode())

async def main():
    store = SqliteStore(path)
    names = (f"{name}-{number}" for number in itertools.count())
    await asyncio.gather(*(work(store, names) for _ in range(int(tasks))))

asyncio.run(main())
"""

# A disk that keeps what was synced, and forgets the rest: with each sync of a file its content is
# copied to a second folder, and with each sync of a folder the names in it.
FORGETFUL: Final = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void keep(int fd) {
    const char *disk = getenv("DISK"), *kept = getenv("KEPT");
    char link[64], path[4096], part[8192], whole[8192], block[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1), read;
    if (length < 0 || !disk || !kept) return;
    path[length] = 0;
    struct stat what;
    if (strncmp(path, disk, strlen(disk)) || fstat(fd, &what)) return;
    const char *name = S_ISDIR(what.st_mode) ? "names" : strrchr(path, '/') + 1;
    snprintf(whole, sizeof whole, "%s/%s", kept, name);
    snprintf(part, sizeof part, "%s.part", whole);
    int copy = open(part, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (S_ISDIR(what.st_mode)) {
        DIR *folder = opendir(path);
        for (struct dirent *entry; (entry = readdir(folder));)
            dprintf(copy, "%s\\n", entry->d_name);
        closedir(folder);
    } else
        for (off_t at = 0; (read = pread(fd, block, sizeof block, at)) > 0; at += read)
            if (write(copy, block, read) != read) abort();
    close(copy);
    if (rename(part, whole)) abort();
}

int fsync(int fd) {
    keep(fd);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    keep(fd);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""
BLOCK: Final = 512


def revoked_until_killed(
    path: Path,
    count: int,
    *,
    name: str = "s",
    commits: str = "durable",
    env: Mapping[str, str] | None = None,
) -> list[str]:
    """Runs REVOKES until `count` are acknowledged, kills it, and answers all that were."""
    command = [sys.executable, "-c", REVOKES, str(path), commits, name, "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(count)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    return [line.removeprefix("revoked ").strip() for line in lines if line.endswith("\n")]


def lost(path: Path, acknowledged: list[str]) -> list[str]:
    """Those of whose revocation the store does not know everything; its numbers have no gap."""
    store = SqliteStore(path).blocking()
    read = drive(store.feed(None, now=NOW))
    assert len(read.changes) == read.position.number
    said = {(change.list_id, change.index): change.status for change in read.changes}
    told = {line.event.session_id for line in drive(store.trail(limit=10**6))}
    missing = []
    for session_id in acknowledged:
        found = drive(store.look_up(session_id))
        index = found.session.indices[0] if found else None
        is_ended = found is not None and found.session.ended_at is not None
        is_said = index is not None and said.get((index.list_id, index.index)) == INVALID
        if not (is_ended and is_said and session_id in told):
            missing.append(session_id)
    drive(store.close())
    return missing


def test_what_was_acknowledged_survives_the_death_of_the_process(tmp_path: Path) -> None:
    """Killed at any moment, and again, it comes back with every revocation that it confirmed."""
    path = tmp_path / "sessions.db"
    acknowledged: list[str] = []
    for number in range(3):
        acknowledged += revoked_until_killed(path, 50 + 25 * number, name=f"life-{number}")
        assert lost(path, acknowledged) == []
    assert len(acknowledged) >= 225


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_revocation_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """What was written to the log is synced, and only then does the process say so."""
    trace = tmp_path / "trace"
    calls = "trace=write,pwrite64,writev,pwritev,fsync,fdatasync"
    command = ["strace", "-f", "-y", "-s", "8", "-e", calls, "-e", "signal=none", "-o", str(trace)]
    command += [sys.executable, "-c", REVOKES, str(tmp_path / "sessions.db"), "durable", "s", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        if not child.stdout.readline():
            pytest.skip("strace may not trace here")
        lines = [child.stdout.readline() for _ in range(20)]
        child.terminate()
    assert all(lines)
    unsynced, acknowledged = False, 0
    for line in trace.read_text().splitlines():
        if re.search(r"pwrite\w*\(\d+<[^>]*sessions\.db-wal>", line):
            unsynced = True
        elif re.search(r"f(data)?sync\(\d+<[^>]*sessions\.db-wal>\) += 0|sync resumed>", line):
            unsynced = False
        elif re.search(r'write\(1<.*"revoked', line):
            acknowledged += 1
            assert not unsynced
    assert acknowledged >= 20


@pytest.fixture(scope="session")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes a process's disk forget."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("a C compiler on Linux is needed to make a disk that forgets")
    folder = tmp_path_factory.mktemp("forgetful")
    source = folder / "forgetful.c"
    source.write_text(FORGETFUL)
    library = folder / "forgetful.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


def after_power_cut(disk: Path, kept: Path, *, share: float) -> Path:
    """The database as it is found afterwards: all that was synced, and of what was written later
    this share of its blocks, at random."""
    found = disk.with_name(f"found-{share}")
    found.mkdir()
    for name in ("sessions.db", "sessions.db-wal"):
        if name not in (kept / "names").read_text().splitlines():
            continue
        data = bytearray((kept / name).read_bytes() if (kept / name).exists() else b"")
        written = (disk / name).read_bytes() if (disk / name).exists() else b""
        for at in range(0, len(written), BLOCK):
            if random.random() < share:  # noqa: S311 - no secret
                data.extend(bytes(max(0, at + BLOCK - len(data))))
                data[at : at + BLOCK] = written[at : at + BLOCK]
        (found / name).write_bytes(data)
    return found / "sessions.db"


@pytest.mark.parametrize("commits", ["durable", "careless"])
def test_what_was_acknowledged_survives_a_power_cut(
    tmp_path: Path, forgetful: Path, commits: str
) -> None:
    """On a disk that loses all that was not synced, or keeps any part of it, no confirmed
    revocation is lost; committed like a touch, most of them are, so this test can fail."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    kept.mkdir()
    env = {**os.environ, "LD_PRELOAD": str(forgetful), "DISK": str(disk), "KEPT": str(kept)}
    acknowledged = revoked_until_killed(disk / "sessions.db", 300, commits=commits, env=env)
    for share in (0.0, 0.1, 0.5, 0.9):
        missing = lost(after_power_cut(disk, kept, share=share), acknowledged)
        if commits == "durable":
            assert missing == []
        elif share == 0.0:
            assert len(missing) > 0
