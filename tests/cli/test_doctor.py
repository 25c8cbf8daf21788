from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from cli.doctoring import amiss, change, found, state
from cli.terminal import PASSWORD, Terminal
from counterfoil.cli.data import NOTE, SPANS
from counterfoil.cli.doctor import folder as folders
from key_reading import read_each_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.terminal import Served
    from counterfoil.cli.doctor.finding import Level

FUTURE: Final = 4_000_000_000
SPAN_OF: Final = dict(zip(SPANS, (300, 604_800, 2_592_000, 10, 10), strict=True))
PUBLIC: Final = {
    **SPAN_OF,
    "issuer": "https://auth.invalid",
    "dev": False,
    "host": "localhost",
    "port": 1,  # nothing answers there
    "registration_is_open": False,
    "trusted_proxies": ["127.0.0.1"],
}


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    read_each_once(monkeypatch)
    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def sound(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with nothing wrong: keys, two clients, an administrator."""
    place = tmp_path_factory.mktemp("sound")
    shutil.copytree(made, place / "data")
    run = Terminal(place)
    for command in (
        "accounts add root --role admin --password-stdin",
        "clients add web --strategy session --manage",
        "clients add api --strategy hybrid",
    ):
        assert run(*command.split(), "--data", "data", stdin=PASSWORD).code == 0
    return place / "data"


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "data")


def serve(data: Path, **told: object) -> None:
    """The folder as if a server had been started on it so."""
    (data / NOTE).write_text(json.dumps({**PUBLIC, **told}))


def test_a_sound_folder_is_found_sound_and_left_alone(data: Path, terminal: Terminal) -> None:
    """Code 0, nothing to be noticed, what was not looked at is said, and not a byte differs."""
    before = state(data)
    assert amiss(data) == {}
    said = terminal("doctor", "--data", str(data))
    assert (said.code, said.err) == (0, "")
    assert "0 wrong, 0 warnings," in said.out
    assert "not seen whether there are backups" in said.out
    assert state(data) == before
    assert max(map(len, said.out.splitlines())) <= 88


def test_colours_can_be_declined(data: Path, terminal: Terminal) -> None:
    """On a terminal with NO_COLOR nothing is coloured."""
    (data / "counterfoil.db").chmod(0o640)
    said = terminal.typing("doctor", "--data", str(data), keys=[])
    assert "warning  counterfoil.db has the mode 0640" in said.out


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(terminal: Terminal, columns: int) -> None:
    """Nor so wide that it is hard to read."""
    said = terminal("doctor", "--data", "data", env={"COLUMNS": str(columns)})
    assert max(map(len, said.out.splitlines())) <= min(columns, 88)


def test_each_finding_is_told_to_programs(data: Path, terminal: Terminal) -> None:
    """--json has every finding with its id, level, sentence and what to do, the gravest first."""
    (data / "keys" / "signing-keys.json").chmod(0o644)
    (data / "counterfoil.db").chmod(0o640)
    said = terminal("doctor", "--data", str(data), "--json")
    assert said.code == 1
    told = json.loads(said.out)
    assert [each["id"] for each in told["findings"][:2]] == ["signing-keys", "database-private"]
    assert (told["wrong"], told["warnings"]) == (1, 1)
    assert "Run chmod 600" in told["findings"][0]["mend"]
    assert all(each["mend"] for each in told["findings"] if each["level"] != "ok")
    assert any("backups" in each for each in told["not_looked_at"])


def test_where_there_is_nothing_nothing_is_made(tmp_path: Path, terminal: Terminal) -> None:
    """A folder that is not there is wrong, and is still not there afterwards."""
    said = terminal("doctor", "--data", "nowhere")
    assert said.code == 1
    assert said.out.startswith("wrong    There is no Counterfoil data in nowhere. [data-folder]\n")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("COUNTERFOIL_PROT", "9000", "did you mean COUNTERFOIL_PORT?"),
        ("COUNTERFOIL_ACCESS_LIFETIME", "90d", "Set access no longer than idle"),
        ("COUNTERFOIL_CONFIG", "broken.toml", "Correct broken.toml"),
    ],
)
def test_settings_that_do_not_load(
    data: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, mend: str
) -> None:
    """They are wrong, with the sentence that `serve` has for them; the rest is looked at all the
    same."""
    monkeypatch.chdir(data.parent)
    Path("broken.toml").write_text("port = ")
    monkeypatch.setenv(name, value)
    assert amiss(data) == {"settings": "wrong"}
    assert mend in found(data)["settings"].mend


@pytest.mark.parametrize(("mode", "level"), [(0o755, "warning"), (0o777, "wrong")])
def test_a_folder_that_others_reach(data: Path, mode: int, level: Level) -> None:
    """To look in is to be noticed; to put other files in their place is wrong."""
    data.chmod(mode)
    assert amiss(data) == {"data-private": level}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root (as CI is) may give files away")
def test_files_of_somebody_else(data: Path) -> None:
    """Keys that root has written, a server of another user cannot read."""
    os.chown(data / "keys" / "signing-keys.json", 65534, 65534)
    assert amiss(data) == {"data-owner": "wrong"}
    assert "signing-keys.json" in found(data)["data-owner"].says


@pytest.mark.skipif(os.geteuid() == 0, reason="no file is closed to root; others run it")
def test_files_that_this_user_cannot_read(data: Path) -> None:
    """They are found, and nothing fails over them."""
    (data / "keys").chmod(0)
    try:
        assert {"data-writable", "signing-keys", "handle-secrets"} <= amiss(data).keys()
    finally:
        (data / "keys").chmod(0o700)


@pytest.mark.parametrize(
    ("kind", "level"),
    [("nfs4", "wrong"), ("tmpfs", "warning"), ("overlay", "warning"), ("ext4", "ok")],
)
def test_what_the_folder_stands_on(data: Path, tmp_path: Path, kind: str, level: Level) -> None:
    """Of the mounts above it the nearest counts; across a network SQLite cannot lock."""
    mounts = tmp_path / "mounts"
    nearest = str(data.resolve()).replace(" ", "\\040")
    mounts.write_text(f"/dev/a / xfs rw 0 0\nx {nearest} {kind} rw 0 0\ny /elsewhere nfs rw 0 0\n")
    of = {each.id: each.level for each in folders.findings(data, mounts=mounts)}
    assert of["data-file-system"] == level
    missing = {each.id: each.level for each in folders.findings(data, mounts=tmp_path / "no")}
    assert missing["data-file-system"] == "unseen"


@pytest.mark.parametrize(("mebi", "level"), [(8, "wrong"), (100, "warning"), (9000, "ok")])
def test_a_disk_that_fills_up(data: Path, mebi: int, level: Level) -> None:
    """Without room no revocation can be written."""
    of = {each.id: each.level for each in folders.findings(data, free=mebi * 2**20)}
    assert of["disk-space"] == level


def test_a_database_that_is_none_or_damaged(data: Path) -> None:
    """Both are wrong; what rests on it is said not to have been looked at."""
    path = data / "counterfoil.db"
    whole = path.read_bytes()
    path.write_bytes(b"no database at all, and longer than a header has to be" * 50)
    assert amiss(data)["database-sound"] == "wrong"
    assert found(data)["clients"].level == "unseen"
    path.write_bytes(whole[:8192] + os.urandom(len(whole) - 8192))
    assert amiss(data)["database-sound"] == "wrong"


@pytest.mark.parametrize(
    ("sql", "level"),
    [
        ("DELETE FROM cf_migrations WHERE component = 'server'", "warning"),
        ("INSERT INTO cf_migrations VALUES ('store', 9999, 'breaking x')", "wrong"),
        ("UPDATE cf_migrations SET checksum = 'x' WHERE component = 'store'", "wrong"),
        ("DROP TABLE cf_migrations", "wrong"),
    ],
)
def test_tables_of_another_version(data: Path, sql: str, level: Level) -> None:
    """Older ones the next start brings up to date; newer or other ones it refuses."""
    change(data, sql)
    assert amiss(data) == {"database-current": level}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE cf_feed SET number = number - 1",
        "UPDATE cf_feed SET epoch = substr(epoch, 1, 24), number = 99",
        "INSERT INTO cf_backup VALUES (1)",
    ],
)
def test_a_database_that_was_put_back(data: Path, sql: str) -> None:
    """By its number, its epoch, or what it says itself; it is only looked at."""
    witness = next((data / "keys").glob("witness-*"))
    assert Terminal(data.parent)("restore", "--declare", "--data", str(data)).code == 0
    change(data, "UPDATE cf_feed SET number = number + 5")
    assert Terminal(data.parent)("sessions", "revoke", "--client", "web", "--data", str(data))
    noted = witness.read_bytes()
    assert amiss(data) == {}
    change(data, sql)
    assert amiss(data) == {"database-declared": "wrong"}
    assert witness.read_bytes() == noted
    witness.unlink()
    assert amiss(data) == ({"database-declared": "wrong"} if "backup" in sql else {})
    assert not witness.exists()


def test_a_database_without_its_log(data: Path) -> None:
    """It is served with a write-ahead log, and one that was left over is not to be deleted."""
    change(data, "PRAGMA journal_mode = DELETE")
    assert amiss(data) == {"database-log": "warning"}
    change(data, "PRAGMA journal_mode = WAL")
    assert amiss(data) == {}
    (data / "counterfoil.db-wal").write_bytes(b"left over")
    before = state(data)
    assert amiss(data) == {"database-log": "warning"}
    assert state(data) == before


@pytest.mark.parametrize("name", ["signing-keys", "handle-secrets"])
def test_keys_that_cannot_be_used(data: Path, name: str) -> None:
    """Readable by others, not whole, or gone while sessions rest on them: each is wrong."""
    path = data / "keys" / f"{name}.json"
    path.chmod(0o640)
    assert amiss(data) == {name: "wrong"}
    path.chmod(0o600)
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert amiss(data) == {name: "wrong"}
    path.unlink()
    assert amiss(data) == {}
    assert found(data)[name].says.startswith("A server makes")
    assert not path.exists()


def test_keys_that_are_gone_while_sessions_rest_on_them(data: Path, terminal: Terminal) -> None:
    """K cannot be made anew without everybody signing in again."""
    program = (
        "from counterfoil import BlockingCounterfoil, Client, SqliteStore;"
        "auth = BlockingCounterfoil(store=SqliteStore('data/counterfoil.db'),"
        " issuer='https://auth.invalid', clients=[Client(client_id='web', strategy='session')]);"
        "auth.open('user-17', client_id='web'); auth.close()"
    )
    subprocess.run([sys.executable, "-c", program], cwd=terminal.folder, check=True)
    (data / "keys" / "handle-secrets.json").unlink()
    assert amiss(data) == {"handle-secrets": "wrong"}


def test_nobody_can_sign_in_or_administer(data: Path) -> None:
    """No client is wrong; none that may manage, and no administrator, are to be noticed."""
    change(data, "UPDATE registered_clients SET manage = 0")
    change(data, "UPDATE accounts SET roles = '[\"editor\"]'")
    assert amiss(data) == {"client-manage": "warning", "administrator": "warning"}
    change(data, "DELETE FROM registered_clients")
    assert amiss(data)["clients"] == "wrong"


def test_an_administrator_who_is_suspended_is_none(data: Path, terminal: Terminal) -> None:
    """Nobody is let in who could administer."""
    assert terminal("accounts", "suspend", "root", "--data", str(data)).code == 0
    assert amiss(data) == {"administrator": "warning"}


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        ("--strategy hybrid --max-staleness 60s --access-lifetime 30s", "client-staleness"),
        ("--strategy jwt --access-lifetime 12h", "client-access"),
    ],
)
def test_clients_that_promise_little(
    data: Path, terminal: Terminal, arguments: str, finding: str
) -> None:
    """A status that comes later than the expiry, and a plain token that lives for long."""
    command = f"clients add odd {arguments} --data {data}"
    assert terminal(*command.split()).code == 0
    assert amiss(data) == {finding: "warning"}


def test_a_cookie_that_browsers_would_drop(data: Path, terminal: Terminal) -> None:
    """It is weighed for whoever has the most roles."""
    command = f"clients add spa --strategy hybrid --carrier cookie --algorithm RS256 --data {data}"
    assert terminal(*command.split()).code == 0
    assert amiss(data) == {}
    roles = json.dumps(["admin", *(f"role-{number:056}" for number in range(60))])
    change(data, "UPDATE accounts SET roles = ?", roles)
    assert amiss(data) == {"client-cookie-size": "wrong"}


def test_a_client_that_contradicts_itself(data: Path) -> None:
    """It cannot be used, and what can is not known then."""
    change(data, "UPDATE registered_clients SET max_staleness = 0 WHERE client_id = 'api'")
    assert amiss(data) == {"client-usable": "wrong"}


def test_a_public_server_that_is_open_as_in_development(data: Path) -> None:
    """--dev, and a demo account with its first password, are wrong where the issuer is public."""
    serve(data)
    quiet = {"server-ready": "warning", "issuer-answers": "warning"}
    assert amiss(data) == quiet
    serve(data, dev=True, registration_is_open=True, trusted_proxies=[])
    assert amiss(data) == {
        **quiet,
        "development": "wrong",
        "registration": "warning",
        "trusted-proxies": "warning",
    }


def test_a_demo_account_that_was_left(data: Path, terminal: Terminal) -> None:
    """Wrong in production while the password in the folder is its own, else to be tidied up."""
    add = ("accounts", "add", "demo", "--password-stdin", "--data", str(data))
    assert terminal(*add, stdin=PASSWORD).code == 0
    place = data / "demo-password"
    place.touch(0o600)
    place.write_text(f"{PASSWORD}\n")
    assert amiss(data) == {"demo-password": "warning"}
    serve(data)
    assert amiss(data)["demo-password"] == "wrong"
    place.write_text("another-password-altogether\n")
    assert amiss(data)["demo-password"] == "warning"
    told = "".join(f"{each.says} {each.mend}" for each in found(data).values())
    assert PASSWORD not in told
    assert "another-password" not in told


def test_a_note_that_cannot_be_read(data: Path) -> None:
    """It is written anew by the next start. At a port that there is not nothing can answer."""
    for text in ("{", "[]", "0", '{"issuer": 1}'):
        (data / NOTE).write_text(text)
        assert amiss(data) == {"served": "wrong"}, text
    (data / NOTE).write_text(json.dumps({**SPAN_OF, "issuer": "https://auth.invalid"}))
    assert amiss(data)["served"] == "warning"
    assert found(data)["registration"].level == "unseen"
    serve(data, port=99_999)
    assert amiss(data)["server-ready"] == "warning"


def test_a_clock_that_went_back(data: Path) -> None:
    """Files of the future tell."""
    os.utime(data / "counterfoil.db", (FUTURE, FUTURE))
    assert amiss(data) == {"clock-files": "wrong"}


def test_a_development_server_that_runs(starting: Callable[..., Served]) -> None:
    """Code 0, with what is for development only as a warning; its keys are those of the folder,
    nothing is changed, and no secret is told. A server that was killed is looked at as it lies."""
    running = starting("--dev")
    assert running.signed_in("demo", "api", running.demo_password)["session"]
    secrets = [running.demo_password, *_private(running.data)]
    before = state(running.data, running=True)  # the server itself uses its shared memory
    said = running.run("doctor", "--json")
    assert said.code == 0
    told: dict[str, Any] = {each["id"]: each for each in json.loads(said.out)["findings"]}
    assert [name for name in told if told[name]["level"] == "warning"] == ["demo-password"]
    assert told["issuer-same-keys"]["level"] == told["server-ready"]["level"] == "ok"
    assert state(running.data, running=True) == before
    assert [secret for secret in secrets if secret in said.out] == []
    running.stop(signal.SIGKILL)
    before = state(running.data)
    assert amiss(running.data) == {"demo-password": "warning", "server-ready": "warning"}
    assert state(running.data) == before


def _private(data: Path) -> list[str]:
    keys = json.loads((data / "keys" / "signing-keys.json").read_text())["keys"]
    versions = json.loads((data / "keys" / "handle-secrets.json").read_text())["versions"]
    return [*(key["jwk"]["d"] for key in keys), *versions.values()]
