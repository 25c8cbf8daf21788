"""Key files: made once, changed by one process at a time, seen by all, read by nobody else."""

from __future__ import annotations

import json
import math
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from counterfoil.errors import ConfigurationError, KeysStale, KeyTooNew, StoreUnavailable
from counterfoil.keys import SigningKeySet
from counterfoil.stores.key_files import KEYS_MAX_AGE, LOOK_EVERY, KeyFiles
from forging import KEYS, NOW

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.ports import Keys


@dataclass
class Clock:
    """Time that passes when it is told to."""

    seconds: float = 100.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def uptime(self) -> float:
        return self.seconds

    def passes(self, span: timedelta) -> None:
        self.seconds += span.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with keys in it: making RSA keys for each test would take most of its time."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    put(folder, KEYS)
    return folder


def put(folder: Path, keys: SigningKeySet) -> None:
    """As another process would: a new file takes the place of the old one."""
    new = folder / "other.tmp"
    new.write_text(keys.to_json(), encoding="utf-8")
    new.chmod(0o600)
    new.replace(folder / "signing-keys.json")


def distrust(folder: Path, kid: str) -> None:
    KeyFiles(folder).update(lambda keys: keys.distrust(kid, now=NOW))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_files_are_made_on_first_use_for_their_owner_only(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700, whatever the umask; no temporary file is left."""
    folder = tmp_path / "data" / "keys"
    before = os.umask(0)
    try:
        files: Keys = KeyFiles(folder)
        files.signing_keys()
        files.handle_secrets()
    finally:
        os.umask(before)
    names = {"signing-keys.json", "handle-secrets.json", "keys.lock"}
    assert {path.name for path in folder.iterdir()} == names
    assert {mode(folder / name) for name in names} == {0o600}
    assert mode(folder) == 0o700


def test_what_was_made_is_what_the_next_process_finds(tmp_path: Path) -> None:
    """The same keys and the same K, after a restart too."""
    first, second = KeyFiles(tmp_path), KeyFiles(tmp_path)
    assert first.signing_keys().describe() == second.signing_keys().describe()
    assert first.handle_secrets() == second.handle_secrets()
    (secret,) = first.handle_secrets().versions.values()
    assert len(secret) == 32


def test_keys_that_this_process_made_are_not_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the first nor those that follow: to examine an RSA key costs as much as to make it
    often does, and a server that starts would wait for it."""
    monkeypatch.setattr(SigningKeySet, "generate", lambda *, now: KEYS)  # noqa: ARG005 - a clock's
    files = KeyFiles(tmp_path)
    first = files.signing_keys()
    assert {id(key.material) for key in first.keys} == {id(key.material) for key in KEYS.keys}
    changed = files.update(lambda keys: keys.rotate("RS256", now=NOW))
    later = files.signing_keys()
    assert later.active("RS256").kid != first.active("RS256").kid
    assert {id(key.material) for key in later.keys} == {id(key.material) for key in changed.keys}


def test_several_processes_that_start_at_once_make_one_set(tmp_path: Path) -> None:
    """The first makes the files; the others wait and read them."""
    program = (
        "import sys, pathlib, counterfoil.stores.key_files as k;"
        "f = k.KeyFiles(pathlib.Path(sys.argv[1]));"
        "print(f.signing_keys().public().version, f.handle_secrets().versions[0].hex())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    answers = {process.communicate()[0] for process in started}
    assert len(answers) == 1
    assert all(process.returncode == 0 for process in started)
    assert str(KeyFiles(tmp_path).signing_keys().public().version).encode() in answers.pop()


def test_several_threads_that_start_at_once_make_one_set(tmp_path: Path) -> None:
    """One object may be used by many threads."""
    files = KeyFiles(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: files.signing_keys().public().version, range(4)))
    assert len(set(found)) == 1


def test_the_file_is_read_again_only_when_it_is_another_one(folder: Path, clock: Clock) -> None:
    """The same object comes back until another process replaces the file; then at once."""
    files = KeyFiles(folder, clock=clock)
    keys = files.signing_keys()
    assert files.signing_keys() is keys
    changed = KEYS.distrust(KEYS.active("ES256").kid, now=NOW)
    put(folder, changed)
    assert files.signing_keys().public() == changed.public()


def test_checks_look_at_the_file_every_quarter_second(folder: Path, clock: Clock) -> None:
    """Between two looks nothing is asked of the disk."""
    files = KeyFiles(folder, clock=clock)
    public = files.public_keys()
    put(folder, KEYS.rotate("ES256", now=NOW))
    clock.passes(LOOK_EVERY - timedelta(milliseconds=1))
    assert files.public_keys() is public
    clock.passes(timedelta(milliseconds=1))
    assert files.public_keys() != public


def test_an_update_is_seen_by_other_processes(folder: Path) -> None:
    """Rotation from the command line beside a running server."""
    server, command = KeyFiles(folder), KeyFiles(folder)
    old = server.signing_keys().active("ES256").kid
    after = command.update(lambda keys: keys.rotate("ES256", now=NOW))
    assert command.signing_keys().describe() == after.describe()
    assert server.signing_keys().describe() == after.describe()
    assert server.signing_keys().active("ES256").kid != old
    assert mode(folder / "signing-keys.json") == 0o600


def test_updates_at_the_same_time_are_made_one_after_the_other(folder: Path) -> None:
    """None is lost: each distrusts another key, and in the end all are distrusted."""
    kids = [KEYS.active(algorithm).kid for algorithm in ("ES256", "EdDSA")]
    with ThreadPoolExecutor(2) as threads:
        for kid in kids:
            threads.submit(distrust, folder, kid)
    states = {key.kid: key.state for key in KeyFiles(folder).signing_keys().describe()}
    assert {states[kid] for kid in kids} == {"distrusted"}


def test_an_update_that_changes_nothing_writes_nothing(folder: Path) -> None:
    """The set that went in is the set that comes out."""
    place = folder / "signing-keys.json"
    before = (place.stat().st_ino, place.stat().st_mtime_ns)
    given: list[SigningKeySet] = []

    def nothing(keys: SigningKeySet) -> SigningKeySet:
        given.append(keys)
        return keys

    assert KeyFiles(folder).update(nothing) is given[0]
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == before


def test_an_update_that_fails_changes_nothing(folder: Path) -> None:
    """Its error is passed on, and the lock is free again."""
    files = KeyFiles(folder)
    once = files.update(lambda keys: keys.rotate("ES256", now=NOW))
    with pytest.raises(KeyTooNew):
        files.update(lambda keys: keys.rotate("ES256", now=NOW))
    assert files.signing_keys().describe() == once.describe()
    files.update(lambda keys: keys.rotate("RS256", now=NOW))


def test_a_crash_in_the_middle_of_writing_leaves_the_old_file(folder: Path) -> None:
    """What a crash left under the temporary name is not read and not in the way."""
    (folder / "signing-keys.new").write_text("{", encoding="utf-8")
    files = KeyFiles(folder)
    assert files.signing_keys().describe() == KEYS.describe()
    files.update(lambda keys: keys.rotate("ES256", now=NOW))
    assert not (folder / "signing-keys.new").exists()


def test_a_process_that_is_killed_leaves_a_whole_file(folder: Path) -> None:
    """Whenever it is killed, what is there can be read and changed."""
    program = (
        "import sys, pathlib, datetime, counterfoil.stores.key_files as k;"
        "f = k.KeyFiles(pathlib.Path(sys.argv[1])); print(flush=True)\n"
        "while True:\n"
        "    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9)\n"
        "    f.update(lambda s: s.distrust(s.active('ES256').kid, now=now))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = {KeyFiles(folder).signing_keys().active("ES256").kid for _ in range(8)}
        process.send_signal(signal.SIGKILL)
    assert len(seen) > 1
    KeyFiles(folder).update(lambda keys: keys.distrust(keys.active("ES256").kid, now=NOW))


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_file_that_others_can_use_is_refused(folder: Path, bits: int) -> None:
    """The error names the command that mends it."""
    path = folder / "signing-keys.json"
    path.chmod(bits)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        KeyFiles(folder).signing_keys()
    path.chmod(0o400)
    KeyFiles(folder).signing_keys()


def test_a_folder_that_anyone_can_write_is_refused(tmp_path: Path) -> None:
    """Who can rename files in it can replace the keys."""
    tmp_path.chmod(0o707)
    with pytest.raises(ConfigurationError, match=f"chmod 700 {tmp_path}"):
        KeyFiles(tmp_path).signing_keys()
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["signing-keys.json", "handle-secrets.json"])
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1, "keys": 7}', '{"current": 1, "versions": []}']
)
def test_a_corrupt_file_is_named_and_never_replaced(folder: Path, name: str, content: str) -> None:
    """It may be the only copy: nothing is made anew over it, not even by an update."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    files = KeyFiles(folder)
    with pytest.raises(ConfigurationError, match=str(path)):
        files.signing_keys() if name.startswith("signing") else files.handle_secrets()
    if name.startswith("signing"):
        with pytest.raises(ConfigurationError, match=str(path)):
            files.update(lambda keys: keys)
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    "content",
    [
        {"current": 0, "versions": {"0": "AAAA"}},
        {"current": 1, "versions": {"0": "A" * 43}},
        {"current": 0, "versions": {"a": "A" * 43}},
        {"current": 0, "versions": {"0": 7}},
        {"current": "0", "versions": {"0": "A" * 43}},
        {"current": 16, "versions": {"16": "A" * 43}},
    ],
)
def test_handle_secrets_must_fit_together(folder: Path, content: dict[str, object]) -> None:
    """32 bytes each, versions 0 to 15, one of them current."""
    path = folder / "handle-secrets.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=str(path)):
        KeyFiles(folder).handle_secrets()


def test_several_versions_of_k_are_read(folder: Path) -> None:
    """Families that began under an older K go on."""
    path = folder / "handle-secrets.json"
    content = {"current": 2, "versions": {"1": "A" * 43, "2": "B" * 42 + "A"}}
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
    found = KeyFiles(folder).handle_secrets()
    assert (found.current, set(found.versions)) == (2, {1, 2})


@pytest.mark.parametrize("harm", ["gone", "corrupt", "open to others"])
def test_a_file_that_cannot_be_read_any_more_is_remembered_for_an_hour(
    folder: Path, clock: Clock, harm: str
) -> None:
    """Then the keys are too old to rely on; and when the file is back, all is well."""
    files, path = KeyFiles(folder, clock=clock), folder / "signing-keys.json"
    keys = files.signing_keys()
    content = path.read_text(encoding="utf-8")
    if harm == "gone":
        path.unlink()
    elif harm == "corrupt":
        path.write_text("{", encoding="utf-8")
    else:
        path.chmod(0o644)
    clock.passes(KEYS_MAX_AGE - timedelta(seconds=1))
    assert files.signing_keys() is keys
    assert files.public_keys() == keys.public()
    clock.passes(timedelta(seconds=1))
    with pytest.raises(KeysStale):
        files.signing_keys()
    with pytest.raises(KeysStale):
        files.public_keys()
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    assert files.signing_keys().describe() == keys.describe()


def test_a_folder_that_cannot_be_made_is_a_matter_of_set_up(tmp_path: Path) -> None:
    """The error says which folder."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="file"):
        KeyFiles(tmp_path / "file" / "keys").signing_keys()
    with pytest.raises(ConfigurationError, match="file"):
        KeyFiles(tmp_path / "file").signing_keys()


def test_a_file_that_cannot_be_opened_is_a_matter_of_set_up(folder: Path) -> None:
    """The error says which file; a folder in its place stands for all that can be wrong."""
    (folder / "handle-secrets.json").mkdir()
    with pytest.raises(ConfigurationError, match=r"handle-secrets\.json readable"):
        KeyFiles(folder).handle_secrets()


def test_a_disk_that_does_not_write_changes_nothing(folder: Path) -> None:
    """The keys are as they were; that they could not be changed is said."""
    files = KeyFiles(folder)
    (folder / "signing-keys.new").mkdir()
    with pytest.raises(StoreUnavailable, match="could not be written"):
        files.update(lambda keys: keys.rotate("ES256", now=NOW))
    assert files.signing_keys().describe() == KEYS.describe()


def test_no_error_holds_a_key(folder: Path) -> None:
    """A file that is cut off is refused without telling what is left of it."""
    path = folder / "signing-keys.json"
    path.write_text(KEYS.to_json()[:-40], encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as refused:
        KeyFiles(folder).signing_keys()
    assert KEYS.active("ES256").material.to_jwk()["d"] not in str(refused.value)
    assert "signing-keys.json" in str(refused.value)


def test_a_reload_reads_what_no_look_at_the_file_would_tell(folder: Path, clock: Clock) -> None:
    """A file written over in place, of the same size, its time put back: as some backups restore.
    Until then the former one stands; a broken one is named, and changes nothing."""
    keys = KeyFiles(folder, clock=clock)
    keys.reload()  # nothing was made yet that could be read
    before, path = keys.handle_secrets(), folder / "handle-secrets.json"
    status, text = path.stat(), path.read_text()
    first = json.loads(text)["versions"]["0"]
    path.write_text(text.replace(first, "A" * len(first)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    clock.passes(LOOK_EVERY)
    assert keys.handle_secrets() == before
    keys.reload()
    assert keys.handle_secrets() != before
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="handle-secrets"):
        keys.reload()
    assert keys.handle_secrets() != before


def test_the_age_of_the_files_is_since_both_could_be_read(folder: Path, clock: Clock) -> None:
    """It grows from the moment when one of them breaks, and begins anew when that is mended."""
    keys = KeyFiles(folder, clock=clock)
    assert math.isnan(keys.age())
    keys.signing_keys(), keys.handle_secrets()
    clock.passes(timedelta(seconds=5))
    assert keys.age() == 0
    path = folder / "signing-keys.json"
    good = path.read_text()
    path.write_text("{")
    clock.passes(timedelta(seconds=7))
    assert keys.age() == 7
    path.write_text(good + " ")
    assert keys.age() == 0
