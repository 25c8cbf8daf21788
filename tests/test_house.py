"""The rules of the house: what every file of the project keeps, whoever writes it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
BENCH = sorted((ROOT / "bench").rglob("*.py"))
SIMULATION = sorted((ROOT / "simulation").rglob("*.py"))
CRASH = sorted((ROOT / "crash").rglob("*.py")) + sorted((ROOT / "engines").rglob("*.py"))

LONGEST_FILE = 400
NAMES_THAT_SAY_NOTHING = {"base", "common", "core", "helpers", "misc", "utils"}
# Put together here, so that this file does not hold the words that it looks for.
REJECTED_WORDS = [
    first + rest
    for first, rest in [
        ("black", "list"),
        ("deny", "list"),
        ("destroy", "_"),
        ("invalidate", "_token"),
        ("token", "_utils"),
    ]
]
WHERE_PEOPLE_WORK = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt/pypi)[/\s\"'`]")
LAYERS_THAT_MAY_FETCH = {"cli", "server", "integrations", "testing", "feeds"}
NOT_FOR_A_VERIFIER = {"fastapi", "pydantic", "redis", "sqlite3", "starlette"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts() -> list[Path]:
    """Every text of the project; what is installed or downloaded lies in folders with a dot."""
    told = [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / "uv.lock", ROOT / ".ci" / "run"]
    told += sorted(ROOT.glob("*.md"))
    folders = ("src", "tests", "docs", "deploy", "examples", "bench", "crash", "engines")
    for folder in (*folders, "simulation"):
        told += sorted(path for path in (ROOT / folder).rglob("*") if path.is_file())
    return [path for path in told if "__pycache__" not in path.parts]


def words_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "counterfoil").with_suffix("").parts[0]


def loaded_by(statement: str) -> set[str]:
    """The top names of all modules that a new interpreter holds after this statement."""
    program = f"{statement}; import sys; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return {name.partition(".")[0] for name in answer.stdout.split()}


def project() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_file_is_no_longer_than_one_can_read() -> None:
    """No file is longer than 400 lines; one that grows past it holds two ideas."""
    programs = SOURCES + TESTS + EXAMPLES + BENCH + SIMULATION + CRASH
    lengths = {named(path): len(words_of(path).splitlines()) for path in programs}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_a_module_begins_by_saying_what_it_is() -> None:
    """Every module starts with a docstring."""
    mute = [named(path) for path in SOURCES if not ast.get_docstring(ast.parse(words_of(path)))]
    assert mute == []


def test_a_file_is_named_for_what_it_holds() -> None:
    """No file or folder has a name under which anything could be put."""
    programs = SOURCES + TESTS + EXAMPLES + BENCH + SIMULATION + CRASH
    parts = {path: set(path.relative_to(ROOT).with_suffix("").parts) for path in programs}
    assert [named(path) for path in parts if parts[path] & NAMES_THAT_SAY_NOTHING] == []


def test_no_file_uses_a_word_that_the_design_rejects() -> None:
    """A word that the design replaced by a better one appears in no file and in no name."""
    programs = SOURCES + TESTS + EXAMPLES + BENCH + SIMULATION + CRASH
    said = {named(path): (named(path) + words_of(path)).lower() for path in programs}
    assert [(name, word) for name in said for word in REJECTED_WORDS if word in said[name]] == []


def test_no_file_knows_whose_machine_it_was_written_on() -> None:
    """No text names a folder of the machine it was written on, or a private package index."""
    telling = [named(path) for path in texts() if WHERE_PEOPLE_WORK.search(words_of(path))]
    assert telling == []


def test_no_file_was_merged_by_halves() -> None:
    """A page too would show what git left for somebody to decide."""
    marks = [f"\n{mark * 7} " for mark in "<>"]
    halves = [named(path) for path in texts() if any(mark in words_of(path) for mark in marks)]
    assert halves == []


def test_the_lock_names_the_public_index_only() -> None:
    """Everything that uv.lock installs comes from PyPI, or is this project itself."""
    packages = tomllib.loads(words_of(ROOT / "uv.lock"))["package"]
    origins = [{"registry": "https://pypi.org/simple"}, {"editable": "."}]
    assert [package["name"] for package in packages if package["source"] not in origins] == []


def test_the_core_fetches_nothing() -> None:
    """Only feeds and the layers above use urllib.request; import-linter cannot tell it apart."""
    core = [path for path in SOURCES if layer_of(path) not in LAYERS_THAT_MAY_FETCH]
    assert [named(path) for path in core if "urllib.request" in words_of(path)] == []


def test_a_verifier_loads_no_framework_and_no_database() -> None:
    """`from counterfoil import Verifier` loads nothing that a service which only checks lacks."""
    assert NOT_FOR_A_VERIFIER & loaded_by("from counterfoil import Verifier") == set()


def test_importing_counterfoil_loads_the_standard_library_only() -> None:
    """`import counterfoil` by itself loads no other distribution; names are loaded on first use."""
    brought = loaded_by("import counterfoil") - loaded_by("pass")
    assert brought - sys.stdlib_module_names == {"counterfoil"}


def test_a_lean_install_is_at_most_six_distributions() -> None:
    """`pip install counterfoil` brings six distributions or fewer, counting itself."""
    brought: set[str] = set()
    wanted = ["counterfoil"]
    while wanted:
        name = wanted.pop()
        if name not in brought:
            brought.add(name)
            needs = map(Requirement, importlib.metadata.requires(name) or ())
            wanted += [need.name for need in needs if _is_needed(need)]
    assert "joserfc" in brought
    assert len(brought) <= 6, brought


def _is_needed(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def test_every_rule_that_is_off_says_why() -> None:
    """Each ruff rule that is ignored has its reason beside it in pyproject.toml."""
    chosen = project().partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.isort]")[0]
    rules = re.findall(r'^ +"[A-Z]+[0-9]*",.*$', chosen, re.MULTILINE)
    settings = tomllib.loads(project())["tool"]["ruff"]["lint"]
    ignored = sum(map(len, [settings["ignore"], *settings["per-file-ignores"].values()]))
    assert len(rules) == ignored
    assert [rule for rule in rules if not re.search(r", +# \w+", rule)] == []


def test_every_dependency_says_why() -> None:
    """Each distribution that pyproject.toml asks for has a line in ADR 0002."""
    asked = tomllib.loads(project())
    wanted = [*asked["project"]["dependencies"], *asked["dependency-groups"]["dev"]]
    for extra in asked["project"]["optional-dependencies"].values():
        wanted += extra
    wanted += asked["build-system"]["requires"]
    reasons = words_of(ROOT / "docs" / "adr" / "0002-dependencies.md").lower()
    names = {Requirement(text).name.lower() for text in wanted}
    assert [name for name in sorted(names) if f"| {name} |" not in reasons] == []


def test_the_version_is_said_once() -> None:
    """The version stands in pyproject.toml and nowhere else; installed metadata repeats it."""
    version = tomllib.loads(project())["project"]["version"]
    assert importlib.metadata.version("counterfoil") == version
    assert [named(path) for path in SOURCES if f'"{version}"' in words_of(path)] == []
