from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil.errors import StoreUnavailable
from counterfoil.status_change import Position
from counterfoil.stores import witness_files
from counterfoil.stores.key_files import KeyFiles
from counterfoil.stores.memory import MemoryKeys
from counterfoil.stores.witness_files import WitnessFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from counterfoil.ports import Keys

    Reach = Callable[[Position], Position]

FIRST: Final = "a1b2"
SECOND: Final = "a1b2-1700000000-0f"
THIRD: Final = "a1b2-1700000001-9e"

# Says a position once it is noted, for ever, until it is killed.
NOTES: Final = """
import sys, os, itertools
from pathlib import Path
from counterfoil.status_change import Position
from counterfoil.stores.witness_files import WitnessFiles

files, first, step = WitnessFiles(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
for number in itertools.count(first, step):
    files.reach(Position("a1b2", number))
    os.write(1, f"{number}\\n".encode())
"""


@pytest.fixture(params=["files", "memory"])
def reach(request: pytest.FixtureRequest, tmp_path: Path) -> Reach:
    if request.param == "files":
        return WitnessFiles(tmp_path / "keys").reach
    keys = MemoryKeys.__new__(MemoryKeys)
    keys._lock = threading.Lock()  # noqa: SLF001 - an RSA key costs more than a test
    return keys.reach


def test_the_furthest_is_what_is_known(reach: Reach) -> None:
    """Whoever comes with less hears how far the store once was."""
    assert reach(Position(FIRST, 3)) == Position(FIRST, 3)
    assert reach(Position(FIRST, 12)) == Position(FIRST, 12)
    assert reach(Position(FIRST, 3)) == Position(FIRST, 12)
    assert reach(Position(FIRST, 12)) == Position(FIRST, 12)


def test_an_epoch_takes_the_place_of_those_before(reach: Reach) -> None:
    """Its numbers begin anew, and no number of a former epoch counts any more."""
    reach(Position(FIRST, 12))
    assert reach(Position(SECOND, 0)) == Position(SECOND, 0)
    assert reach(Position(FIRST, 99)) == Position(SECOND, 0)
    assert reach(Position(THIRD, 7)) == Position(THIRD, 7)
    assert reach(Position(SECOND, 99)) == Position(THIRD, 7)


def test_several_stores_may_have_the_same_keys(reach: Reach) -> None:
    """Databases of two applications in one folder: what one has reached says nothing of another."""
    assert reach(Position(FIRST, 12)) == Position(FIRST, 12)
    assert reach(Position("other", 1)) == Position("other", 1)
    assert reach(Position(FIRST, 1)) == Position(FIRST, 12)


def test_another_process_knows_it_at_once(tmp_path: Path) -> None:
    """Whatever object or process noted it."""
    one: Keys = KeyFiles(tmp_path)
    other: Keys = KeyFiles(tmp_path)
    one.reach(Position(FIRST, 12))
    assert other.reach(Position(FIRST, 3)) == Position(FIRST, 12)
    other.reach(Position(SECOND, 0))
    assert one.reach(Position(FIRST, 13)) == Position(SECOND, 0)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, whatever the umask."""
    before = os.umask(0)
    try:
        WitnessFiles(tmp_path / "keys").reach(Position(FIRST, 3))
    finally:
        os.umask(before)
    (file,) = (tmp_path / "keys").iterdir()
    assert file.name == "witness-a1b2"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_store_may_have_any_name(tmp_path: Path) -> None:
    """It never leads out of the folder."""
    files = WitnessFiles(tmp_path / "keys")
    for name in ("../../etc", "a/b", "..", "%2e", "ö"):
        assert files.reach(Position(name, 3)) == Position(name, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_what_was_noted_survives_a_kill(tmp_path: Path) -> None:
    """Several processes that note at once and are killed at any moment: no number that one of them
    had noted is lost, and none is there that nobody noted."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", NOTES, tmp_path, str(first), "3"], stdout=subprocess.PIPE
        )
        for first in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        for _ in range(200):
            process.stdout.readline()
    said = []
    for process in started:
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        said.append(int(rest[-1]) if rest else 0)
    reached = WitnessFiles(tmp_path).reach(Position(FIRST, 0))
    assert max(said) <= reached.number <= max(said) + 3


@pytest.mark.parametrize("content", [b"\0" * 40, b"12 a1b2\n", b"-" * 5000, b"0" * 20 + b" \n"])
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """It may be the only thing that knows; whether it may go is for people to say."""
    file = tmp_path / "witness-a1b2"
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=f"{file} is damaged"):
        WitnessFiles(tmp_path).reach(Position(FIRST, 3))
    assert file.read_bytes() == content


def test_an_empty_file_knows_nothing(tmp_path: Path) -> None:
    """Whoever made it died, or lost power, before it wrote."""
    (tmp_path / "witness-a1b2").touch()
    assert WitnessFiles(tmp_path).reach(Position(FIRST, 3)) == Position(FIRST, 3)


def test_a_longer_line_leaves_nothing_behind(tmp_path: Path) -> None:
    """An epoch of a shorter name takes the whole place."""
    files = WitnessFiles(tmp_path)
    files.reach(Position("a1b2-1-" + "x" * 40, 12))
    assert files.reach(Position("a1b2-2-y", 1)) == Position("a1b2-2-y", 1)
    assert (tmp_path / "witness-a1b2").read_bytes() == b"00000000000000000001 a1b2-2-y\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="Nothing is closed to root.")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """What cannot be noted cannot be promised."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnavailable, match=r"Make .*witness-a1b2 readable"):
        WitnessFiles(tmp_path).reach(Position(FIRST, 3))


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may give files away.")
def test_what_root_makes_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    """Or the server could not go on after one command of an administrator."""
    os.chown(tmp_path, 12345, 12345)
    WitnessFiles(tmp_path).reach(Position(FIRST, 3))
    made = (tmp_path / "witness-a1b2").stat()
    assert (made.st_uid, made.st_gid) == (12345, 12345)


def test_a_number_is_not_synced_and_an_epoch_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation waits for the disk once, for the database; an epoch is rare."""
    synced: list[int] = []
    monkeypatch.setattr(witness_files.os, "fsync", synced.append)  # type: ignore[attr-defined]
    files = WitnessFiles(tmp_path)
    for number in range(1, 50):
        files.reach(Position(FIRST, number))
    assert len(synced) == 1
    files.reach(Position(SECOND, 0))
    assert len(synced) == 2
