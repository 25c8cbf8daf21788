"""What can be known of deploy/ without Docker, and without systemd as the first process."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from cli.terminal import PROGRAM, Terminal, environment, start
from counterfoil.drive import drive
from counterfoil.server.serving import FINISH_WITHIN
from counterfoil.server.settings import CONFIG, PREFIX, Settings, load
from counterfoil.stores.redis.store import RedisStore
from deploy.reading import (
    DEPLOY,
    GIVEN,
    ROOT,
    UNIT,
    compose,
    example,
    health_check,
    image_environment,
    instructions,
    last,
    of_unit,
)
from proxies.running import required
from valkeys import valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.terminal import Served

SERVERS: Final = ("counterfoil", "node-a", "node-b")
NODES: Final = SERVERS[1:]
SETTING: Final = re.compile(rf"\b{PREFIX}[A-Z_]+")
# A password in a URL, one that is set, and whatever looks as if chance had made it.
SECRET: Final = re.compile(
    r"\w+://[^\s/:@]+:[^\s/@]+@|(?:PASSWORD|SECRET|TOKEN|STORE)[:=]\s*\S|\b(?=\w*\d)\w{24,}"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = start(tmp_path_factory.mktemp("served"), "--dev")
    yield running
    running.stop()


def settings_of(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a server makes of an environment."""
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return load({})


def test_every_setting_is_one_of_the_servers() -> None:
    """No file of deploy/ names a setting that a server would refuse."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG}
    named = {name for path in GIVEN for name in SETTING.findall(path.read_text(encoding="utf-8"))}
    assert named - known == set()


@pytest.mark.parametrize("name", SERVERS)
def test_a_container_is_given_settings_that_are_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With example.env as it is, no server refuses its settings, and each is reached from outside
    its container."""
    given = image_environment() | compose()["services"][name]["environment"]
    settings = settings_of(given, monkeypatch)
    assert settings.host == "0.0.0.0"  # noqa: S104 - in a container
    assert f"{settings.data}" == last("VOLUME")
    assert not settings.registration_is_open


def test_the_units_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """counterfoil.toml is understood, and is for a proxy on the same machine."""
    settings = settings_of({CONFIG: DEPLOY / "counterfoil.toml"}, monkeypatch)
    assert settings.issuer.startswith("https://")
    assert settings.networks


def test_a_stop_waits_for_what_the_server_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker and systemd kill later than the drain, and what is under way after it, may last."""
    finish = timedelta(seconds=FINISH_WITHIN)
    for name in SERVERS:
        service = compose()["services"][name]
        with monkeypatch.context() as patch:
            drain = settings_of(service["environment"], patch).drain
        assert timedelta(seconds=float(service["stop_grace_period"].rstrip("s"))) > drain + finish
    drain = settings_of({CONFIG: DEPLOY / "counterfoil.toml"}, monkeypatch).drain
    assert timedelta(seconds=float(of_unit("TimeoutStopSec")[0])) > drain + finish


def test_no_file_holds_a_secret() -> None:
    """Secrets come from files that are given, and git does not take those."""
    told = {path.name: SECRET.findall(path.read_text(encoding="utf-8")) for path in GIVEN}
    assert {name: found for name, found in told.items() if found} == {}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/deploy/.env", "/deploy/secrets/"} <= set(ignored)
    for secret in compose()["secrets"].values():
        assert secret["file"].startswith("./secrets/")


def test_what_the_image_is_made_of_is_there_and_reaches_the_builder() -> None:
    """Each path that the Dockerfile copies exists, and .dockerignore lets it through, and nothing
    else."""
    words = [rest.split() for name, rest in instructions() if name == "COPY"]
    copied = {path for each in words if "--from=build" not in each for path in each[:-1]}
    assert [path for path in copied if not (ROOT / path).exists()] == []
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


def test_the_image_installs_what_the_lock_says() -> None:
    """Every install is of uv.lock, without what only developers need, by the Makefile's uv."""
    syncs = [rest for name, rest in instructions() if name == "RUN" and "uv sync" in rest]
    assert len(syncs) == 2
    for sync in syncs:
        assert {"--frozen", "--no-dev"} <= set(sync.split())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pinned = re.findall(r"^UV_VERSION := (.*)$", makefile, re.MULTILINE)
    assert [rest for name, rest in instructions() if rest.startswith("UV_VERSION=")] == [
        f"UV_VERSION={pinned[0]}"
    ]


def test_the_image_runs_as_nobody_in_particular() -> None:
    """A user by number, a program that is told to stop itself, and a data folder that is theirs."""
    assert last("USER") == "10001:10001"
    assert f"-o 10001 -g 10001 {last('VOLUME')}" in last("RUN")
    assert json.loads(last("ENTRYPOINT")) == ["counterfoil"]
    assert last("STOPSIGNAL") == "SIGTERM"
    assert last("EXPOSE") == image_environment()["COUNTERFOIL_PORT"]


def test_every_container_may_do_little() -> None:
    """Each has a root that is read only, no capability but those that are named, and gains none."""
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_compose_names_nothing_that_is_not_there() -> None:
    """Volumes, networks, secrets and services that a service names are declared; those it waits for
    start under the same profile; files are there."""
    told = compose()
    services = told["services"]
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in told["volumes"] or (DEPLOY / source).is_file(), source
        assert set(service.get("networks", ())) <= set(told["networks"])
        assert set(service.get("secrets", ())) <= set(told["secrets"])
        if "build" in service:
            context = DEPLOY / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file()
        for name in service.get("depends_on", ()):
            assert services[name]["profiles"] == service["profiles"]


@pytest.mark.parametrize("name", NODES)
def test_a_node_waits_for_its_database(name: str) -> None:
    """A node starts once PostgreSQL is healthy, which it can be."""
    services = compose()["services"]
    assert services[name]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["postgres"]["healthcheck"]["test"][0] == "CMD"


def test_one_profile_is_one_issuer() -> None:
    """A profile starts the server on SQLite, or nodes on PostgreSQL, never both; Valkey comes with
    either or not."""
    services = compose()["services"]
    assert services["counterfoil"]["profiles"] == ["sqlite"] == [example()["COMPOSE_PROFILES"]]
    assert services["valkey"]["profiles"] == ["valkey"]
    for name in set(services) - {"counterfoil", "valkey"}:
        assert services[name]["profiles"] == ["postgres"]


def test_valkey_is_set_to_keep_what_it_acknowledges() -> None:
    """A server of these settings, started here, is one that sessions are kept in."""
    command = compose()["services"]["valkey"]["command"]
    assert command[0] == "valkey-server"
    given = dict(part.removeprefix("--").split(" ", 1) for part in command[1:])
    with valkey_server(**{name: value.strip('"') for name, value in given.items()}) as server:
        drive(RedisStore(server.url).blocking().close())


def test_nodes_share_what_they_must_and_no_more() -> None:
    """They have one store, one seal and one issuer, and each a data folder of its own."""
    first, second = (compose()["services"][name] for name in NODES)
    assert first["environment"] == second["environment"]
    assert first["volumes"] != second["volumes"]
    for setting in ("COUNTERFOIL_STORE_FILE", "COUNTERFOIL_SECRET_FILE"):
        secret = Path(first["environment"][setting])
        assert f"{secret.parent}" == "/run/secrets"
        assert secret.name in first["secrets"]


def test_the_proxy_knows_every_node() -> None:
    """Caddy understands Caddyfile, and sends to the nodes of compose.yaml, by their readiness."""
    program = required("caddy")
    given = ["--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
    issuer = {"COUNTERFOIL_ISSUER": "https://auth.example"}
    done = subprocess.run(
        [program, "adapt", *given], capture_output=True, check=True, env=environment(**issuer)
    )
    text = done.stdout.decode()
    port = image_environment()["COUNTERFOIL_PORT"]
    assert re.findall(r'"dial":"([^"]+)"', text) == [f"{name}:{port}" for name in NODES]
    assert '"uri":"/readyz"' in text
    assert '"host":["auth.example"]' in text


@pytest.mark.parametrize("proxy", [{}, {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "x:9"}])
def test_the_health_check_tells_a_server_from_none(served: Served, proxy: dict[str, str]) -> None:
    """It is well while a server answers, whatever proxy the container is told of, and fails when
    none does."""
    python, *rest = health_check()
    assert python == "python"
    for port, well in ((served.url.rpartition(":")[2], True), ("9", False)):
        done = subprocess.run(
            [sys.executable, *rest],
            capture_output=True,
            check=False,
            env=environment(COUNTERFOIL_PORT=port, **proxy),
            timeout=30,
        )
        assert (done.returncode == 0) is well, done.stderr


@pytest.mark.parametrize(
    "line",
    [of_unit("ExecStart")[0], shlex.join(json.loads(last("ENTRYPOINT")) + json.loads(last("CMD")))],
    ids=["unit", "image"],
)
def test_what_is_started_is_a_command(line: str, tmp_path: Path) -> None:
    """The command line of the unit, and of the image, is one that the program takes."""
    program, *arguments = shlex.split(line)
    assert Path(program).name == "counterfoil"
    assert Terminal(tmp_path)(*arguments, "--help").code == 0
    assert Terminal(tmp_path)(*arguments, "--no-such", "--help").code == 2


@pytest.mark.parametrize("dropped_in", [False, True], ids=["sqlite", "postgres"])
def test_systemd_understands_the_unit(*, dropped_in: bool, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say, by itself and with the file for PostgreSQL."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert not os.environ.get("COUNTERFOIL_TEST_REQUIRE_SYSTEMD")
        pytest.skip("No systemd-analyze: install systemd, and the unit in deploy/ is verified.")
    text = UNIT.read_text(encoding="utf-8")
    place = tmp_path / UNIT.name
    there = shutil.which("true") or PROGRAM[0]  # nothing is installed where the unit says
    place.write_text(text.replace("/opt/counterfoil/bin/counterfoil", there), encoding="utf-8")
    if dropped_in:
        shutil.copytree(DEPLOY / "counterfoil.service.d", tmp_path / "counterfoil.service.d")
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(place)],
        capture_output=True,
        check=False,
        env=environment(SYSTEMD_UNIT_PATH=f"{tmp_path}:"),
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_hands_over_what_it_loads() -> None:
    """Each credential of the drop-in is named by a setting, and the other way round."""
    text = (DEPLOY / "counterfoil.service.d" / "postgres.conf").read_text(encoding="utf-8")
    loaded = re.findall(r"^LoadCredential=(\w+):/etc/counterfoil/\1$", text, re.MULTILINE)
    named = re.findall(r"^Environment=COUNTERFOIL_\w+_FILE=%d/(\w+)$", text, re.MULTILINE)
    assert loaded == named == ["store", "seal"]
