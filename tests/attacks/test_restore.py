"""Attacks by way of a copy: what was revoked shall not live again because a database was put back.

Servers are processes of their own here. What is put back is put back as people do it: with cp, with
mv, from a snapshot of the folder, after a crash.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

import live
from cli.terminal import Terminal
from counterfoil import Verifier
from counterfoil.errors import CounterfoilError
from counterfoil.feeds import local
from counterfoil.stores.key_files import KeyFiles

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

DATABASE: Final = "counterfoil.db"
CLIENTS: Final = ("web", "api", "partner", "phone")
LOGS: Final = ("-wal", "-shm")


class Place:
    """A data folder whose server comes and goes, always at one address."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.terminal = Terminal(folder)
        self.port = 0

    @property
    def database(self) -> Path:
        return self.data / DATABASE

    def serving(self) -> AbstractContextManager[tuple[live.Site, live.Process]]:
        """A server in a process; killed, as by a crash, at the end, unless it has ended."""
        more: dict[str, Any] = (
            {"port": self.port, "issuer": f"http://localhost:{self.port}"} if self.port else {}
        )
        return live.process(self.data, **more)

    def run(self, *arguments: str) -> None:
        said = self.terminal(*arguments, "--data", str(self.data))
        assert said.code == 0, said

    def put(self, copy: Path, *, logs: bool = False) -> None:
        """With cp; logs: forgetting what lies beside the database."""
        shutil.copy(copy, self.database)
        for suffix in () if logs else LOGS:
            self.database.with_name(DATABASE + suffix).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: an RSA key costs more than a server's start."""
    folder = tmp_path_factory.mktemp("made") / "keys"
    KeyFiles(folder).signing_keys()
    return folder


@pytest.fixture
def place(tmp_path: Path, keys: Path) -> Place:
    place = Place(tmp_path)
    place.data.mkdir(mode=0o700)
    shutil.copytree(keys, place.data / "keys")
    return place


def stop(running: live.Process) -> None:
    running.send_signal(signal.SIGTERM)
    running.wait(live.PATIENCE)


def signed_in(site: live.Site) -> list[live.Device]:
    person = site.person()
    return [person.sign_in(client_id) for client_id in CLIENTS]


def at(site: live.Site, device: live.Device) -> live.Device:
    """A copy of the device, which turns to the server that runs now."""
    person = live.Person(site, device.person.identifier, device.person.password, "")
    moved = live.Device(person, device.client_id, device.session_id, device.token, device.handle)
    moved.cookies = dict(device.cookies)
    return moved


def require_refused(site: live.Site, devices: list[live.Device]) -> None:
    """Nothing is answered from this database, whoever asks for what; and it says what to do."""
    (api,) = [device for device in devices if device.client_id == "api"]
    checked = site.call("GET", "/v1/check?audience=api", headers=api.headers())
    assert (checked.status, checked.header("retry-after")) == (503, "5")
    for device in devices:
        here = at(site, device)
        answers = [here.who(), here.refresh(), here.sign_out(), here.person.try_sign_in()]
        answers.append(live.Person(site, "nobody@example.org", "x", "").try_sign_in())
        for answer in answers:
            assert (answer.status, answer.code) == (503, "store_unavailable"), answer
        assert "counterfoil restore --declare" in answers[0].json["next_step"]
    ready = site.call("GET", "/readyz")
    assert (ready.status, ready.code) == (503, "store_unavailable")
    feed = site.call("GET", f"/status/feed?nonce={'A' * 22}")
    assert feed.status == 503
    assert site.call("GET", "/livez").status == 200


def require_served(site: live.Site, devices: list[live.Device]) -> None:
    """Whoever signs in now is served; nothing from before passes, but a plain JWT to its end."""
    live.until(lambda: site.call("GET", "/readyz").status == 200)
    for device in devices:
        here = at(site, device)
        assert here.who().status == (200 if device.client_id == "partner" else 401)
        assert here.refresh().status == 401
        again = here.person.sign_in(device.client_id)
        assert again.who().status == 200
        assert again.sign_out().json["revoked"] == 1


def test_r1_a_backup_that_is_put_in_place_with_cp(place: Place, tmp_path: Path) -> None:
    """Every strategy is refused, by every call, until it is declared; then the same server goes
    on, and what had been revoked stays so. The log says each once."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        place.run("backup", "copy.db")
        for device in devices:
            assert at(site, device).sign_out().json["revoked"] == 1
        stop(running)
    place.put(tmp_path / "copy.db")
    with place.serving() as (site, running):
        require_refused(site, devices)
        place.run("restore", "--declare")
        require_served(site, devices)
        stop(running)
    log = (tmp_path / "data.log").read_text()
    assert log.count("that was put back") == 1
    assert log.count("The restore was declared") == 1


def test_r2_a_crash_after_a_revocation_and_a_copy_from_before(place: Place, tmp_path: Path) -> None:
    """Killed in the moment in which the revocation was acknowledged, of a session that no token
    speaks of; the copy is a plain one, which does not know that it is one."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        stop(running)
    copy = tmp_path / "plain.db"
    shutil.copy(place.database, copy)
    with place.serving() as (site, running):
        (phone,) = [at(site, device) for device in devices if device.client_id == "phone"]
        assert phone.sign_out().json["revoked"] == 1
        running.kill()
        running.wait(live.PATIENCE)
    place.put(copy)
    with place.serving() as (site, running):
        require_refused(site, devices)
        place.run("restore", "--declare")
        require_served(site, devices)


def test_r3_a_copy_under_the_log_of_a_crash(place: Place, tmp_path: Path) -> None:
    """SQLite applies the log that was left to the copy. What was revoked between copy and log would
    live again, in a database that has all the numbers: but a copy knows that it is one."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        place.run("backup", "copy.db")
        for device in devices[:2]:
            at(site, device).sign_out()
        connection = sqlite3.connect(place.database)
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        connection.close()
        at(site, devices[2]).sign_out()
        running.kill()
        running.wait(live.PATIENCE)
    assert place.database.with_name(DATABASE + "-wal").stat().st_size > 0
    place.put(tmp_path / "copy.db", logs=True)
    with place.serving() as (site, running):
        require_refused(site, devices)
        stop(running)
    place.run("restore", "copy.db")
    with place.serving() as (site, running):
        require_served(site, devices)


def test_r4_a_snapshot_of_the_whole_folder(place: Place, tmp_path: Path) -> None:
    """Keys, witness and all: nobody on that machine can know. The first verifier that asks shows
    what the issuer once told it, and from then on nothing is answered."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        stop(running)
    shutil.copytree(place.data, tmp_path / "snapshot")
    api = next(device for device in devices if device.client_id == "api")
    with place.serving() as (site, running), Verifier(issuer=site.url, audience="api") as verifier:
        verifier.check(api.token)
        assert at(site, api).sign_out().json["revoked"] == 1
        live.until(lambda: refusal(verifier, api) == "session_revoked")
        stop(running)
        shutil.rmtree(place.data)
        (tmp_path / "snapshot").rename(place.data)
        with place.serving() as (restored, _):
            live.until(lambda: restored.call("GET", "/readyz").status == 503)
            require_refused(restored, devices)
            assert refusal(verifier, api) in {"session_revoked", "status_stale"}
            place.run("restore", "--declare")
            require_served(restored, devices)
            live.until(lambda: refusal(verifier, api) == "session_unknown")
            fresh = at(restored, api).person.sign_in("api")
            live.until(lambda: refusal(verifier, fresh) == "")


def test_r5_another_file_under_a_running_server(place: Place, tmp_path: Path) -> None:
    """With mv. The server would go on with a file that nobody else sees; a command beside it would
    write to the other. Restarted, it finds the copy, which was not declared."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        place.run("backup", "copy.db")
        at(site, devices[0]).sign_out()
        (tmp_path / "copy.db").replace(place.database)
        live.until(lambda: site.call("GET", "/readyz").status == 503)
        for device in devices[1:]:
            live.until(partial(is_refused, device))
            assert at(site, device).sign_out().status == 503
        stop(running)
    for suffix in LOGS:
        place.database.with_name(DATABASE + suffix).unlink(missing_ok=True)
    with place.serving() as (site, running):
        require_refused(site, devices)
        place.run("restore", "--declare")
        require_served(site, devices)


def test_r6_a_copy_from_before_a_restore_that_was_declared(place: Place, tmp_path: Path) -> None:
    """Its epoch is over, however many numbers it has."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        for device in devices[:3]:
            at(site, device).sign_out()
        stop(running)
    copy = tmp_path / "plain.db"
    shutil.copy(place.database, copy)
    place.run("restore", "--declare")
    with place.serving() as (site, running):
        require_served(site, devices)
        stop(running)
    place.put(copy)
    with place.serving() as (site, running):
        require_refused(site, devices)
        place.run("restore", "--declare")
        require_served(site, devices)


def test_r7_a_copy_that_is_written_into_a_database_in_use(place: Place, tmp_path: Path) -> None:
    """With SQLite's own restore, which every connection sees at once: no session that lives again
    is good for longer than it takes to look, of whatever strategy."""
    with place.serving() as (site, running):
        place.port = site.port
        devices = signed_in(site)
        stop(running)
    shutil.copy(place.database, tmp_path / "plain.db")
    with place.serving() as (site, running):
        for device in devices:
            assert at(site, device).sign_out().json["revoked"] == 1
        source, target = (sqlite3.connect(path) for path in (tmp_path / "plain.db", place.database))
        source.backup(target)
        target.close()
        source.close()
        time.sleep(local.REST)
        require_refused(site, devices)
        place.run("restore", "--declare")
        require_served(site, devices)


def is_refused(device: live.Device) -> bool:
    """Or is of a plain JWT, which goes on while the store is away: nothing is looked up for it."""
    return device.client_id == "partner" or device.who().status == 503


def refusal(verifier: Verifier, device: live.Device) -> str:
    """The code of a verifier's refusal; empty where it accepts."""
    try:
        verifier.check(device.token)
    except CounterfoilError as why:
        return why.code
    return ""
