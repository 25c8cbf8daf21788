"""The data folder: is it there, whose is it, who else can read it, and what does it stand on."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from counterfoil.cli.data import NOTE
from counterfoil.cli.doctor.finding import Finding, ok, unseen, warning, wrong

MOUNTS: Final = Path("/proc/mounts")
_GONE_AT_RESTART: Final = frozenset({"tmpfs", "ramfs"})
_ACROSS_A_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p"}
    | {"fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "fuse.gcsfuse"}
)
_OF_A_CONTAINER: Final = frozenset({"overlay", "aufs"})
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MEBI: Final = 1024 * 1024
LITTLE: Final = 512 * _MEBI
NONE_LEFT: Final = 32 * _MEBI


def is_there(data: Path, *, is_shared: bool = False) -> Finding:
    """Whether there is anything to look at. is_shared: where the database is elsewhere."""
    try:
        if (data / "counterfoil.db").is_file() or (is_shared and data.is_dir()):
            return ok("data-folder", f"The data folder is {data}.")
    except OSError as why:
        return wrong("data-folder", f"{data} cannot be read: {why.strerror}.", _as_owner(data))
    return wrong(
        "data-folder",
        f"There is no Counterfoil data in {data}.",
        f"Start counterfoil serve --data {data}, or name another folder with --data.",
    )


def findings(data: Path, *, mounts: Path = MOUNTS, free: int | None = None) -> Iterator[Finding]:
    """free: bytes; by default asked of the file system."""
    yield _owned(data)
    yield _writable(data)
    yield _private(data)
    yield _file_system(data, mounts)
    yield _room(shutil.disk_usage(data).free if free is None else free)


def _owned(data: Path) -> Finding:
    """SQLite and the keys want one owner for the folder and for all that the server writes."""
    owner = data.stat().st_uid
    strangers = [path.name for path in _written(data) if path.stat().st_uid != owner]
    if strangers:
        return wrong(
            "data-owner",
            f"Not of the folder's owner: {', '.join(strangers)}.",
            f"Run chown -R --reference={data} {data}, as root.",
        )
    return ok("data-owner", f"Everything in it belongs to one user (uid {owner}).")


def _writable(data: Path) -> Finding:
    if all(os.access(path, os.R_OK | os.W_OK) for path in (data, *_written(data))):
        return ok("data-writable", "This user can write to it.")
    return wrong("data-writable", "This user cannot read and write all of it.", _as_owner(data))


def _private(data: Path) -> Finding:
    if data.stat().st_mode & _OTHERS:
        told = data / NOTE  # holds nothing that is not published
        files = [path for path in _written(data) if path != told]
        loose = [path for path in files if path.stat().st_mode & _OTHERS]
        mend = f"Run chmod 700 {data}."
        if loose or data.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            names = ", ".join(path.name for path in loose) or "its files, by replacing them"
            return wrong("data-private", f"Others reach {data}, and in it {names}.", mend)
        return warning("data-private", f"Others can look into {data}.", mend)
    return ok("data-private", "Nobody else can look into it.")


def _file_system(data: Path, mounts: Path) -> Finding:
    try:
        kind = _kind_of(data.resolve(), mounts.read_text("utf-8", errors="replace"))
    except OSError:
        return unseen("data-file-system", "On which file system the data folder is.")
    if kind in _ACROSS_A_NETWORK:
        return wrong(
            "data-file-system",
            f"The data folder is on {kind}: SQLite's locks do not reach across a network.",
            "Move it to a local disk.",
        )
    if kind in _GONE_AT_RESTART:
        return warning(
            "data-file-system",
            f"The data folder is on {kind}: it is gone when the machine restarts.",
            "Move it to a disk, unless this is a trial.",
        )
    if kind in _OF_A_CONTAINER:
        return warning(
            "data-file-system",
            f"The data folder is on {kind}: it goes with the container.",
            "Mount a volume for it, unless this is a trial.",
        )
    return ok("data-file-system", f"It is on {kind}.")


def _kind_of(folder: Path, mounts: str) -> str:
    """Of the mount that is nearest above; of two on one place the later one."""
    best, kind = -1, "an unknown file system"
    for line in mounts.splitlines():
        _, place, found, *_ = line.split(" ")
        above = Path(place.replace("\\040", " "))
        if folder.is_relative_to(above) and len(above.parts) >= best:
            best, kind = len(above.parts), found
    return kind


def _room(free: int) -> Finding:
    says = f"{free // _MEBI:,} MiB are free on its disk."
    if free < NONE_LEFT:
        mend = "Free some at once: no sign-in and no revocation can be written without."
        return wrong("disk-space", says, mend)
    if free < LITTLE:
        return warning("disk-space", says, "Free some: sign-ins and revocations are written there.")
    return ok("disk-space", says)


def _written(data: Path) -> list[Path]:
    """What the server writes, and nothing that somebody else may have put there."""
    database = "counterfoil.db"
    names = (database, f"{database}-wal", f"{database}-shm", NOTE, "demo-password", "keys")
    files = [data / name for name in names]
    with contextlib.suppress(OSError):
        files += sorted((data / "keys").iterdir())
    return [path for path in files if path.exists()]


def _as_owner(data: Path) -> str:
    return f"Run this as the owner of {data}, or give the folder to the user that serves."
