"""What the pages say about the project is so: files, codes, settings, tests, links and words."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from counterfoil import errors
from counterfoil.integrations.problem import STATUS_OF_CODE
from counterfoil.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
SOURCE: Final = ROOT / "src" / "counterfoil"
PAGES: Final = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK: Final = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+(?:::\w+)?)`")
TREE_LINE: Final = re.compile(r"( *)(\S+) {2,}\S.*")
# Put together here, so that this file does not hold the words that it looks for.
REJECTED: Final = ["black" + "list", "white" + "list", "deny" + "list"]
OF_ONE_MACHINE: Final = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)[/\s\"'`]")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    return FENCED.sub("", text_of(page))


def rows_of(page: Path) -> dict[str, list[str]]:
    """The rows of a page's tables that begin with a name in backticks, by that name."""
    rows = (line.strip("| ").split(" | ") for line in text_of(page).splitlines() if "|" in line)
    return {cells[0].strip("`"): cells[1:] for cells in rows if cells[0].startswith("`")}


def anchors_of(page: Path) -> set[str]:
    """What a link may name in a page, as GitHub makes it from the headings."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tree_of(page: Path) -> Iterator[str]:
    """The paths that a page's first tree of files shows."""
    tree = text_of(page).partition("```text\nsrc/counterfoil/\n")[2].partition("```")[0]
    above: list[str] = []
    for line in tree.splitlines():
        found = TREE_LINE.fullmatch(line)
        assert found, f"no name and no words: {line}"
        depth = len(found[1]) // 2 - 1
        above = [*above[:depth], found[2].rstrip("/")]
        if not found[2].endswith("/"):
            yield "/".join(above)


def error_classes(kind: type[errors.CounterfoilError]) -> Iterator[type[errors.CounterfoilError]]:
    for found in kind.__subclasses__():
        if found.__module__ == errors.__name__:
            yield found
            yield from error_classes(found)


def test_architecture_shows_every_file_and_no_other() -> None:
    """The tree in architecture.md is that of src/counterfoil."""
    kept = {path for path in SOURCE.rglob("*") if path.is_file()}
    kept = {path for path in kept if "__pycache__" not in path.parts}
    inner = {path for path in kept if path.name == "__init__.py" and path.parent != SOURCE}
    there = {str(path.relative_to(SOURCE)) for path in kept - inner}
    assert set(tree_of(DOCS / "architecture.md")) == there


def test_architecture_shows_the_layers_as_they_are_checked() -> None:
    """The layer order in ADR 0006 is that of the import contract in pyproject.toml."""
    contract = text_of(ROOT / "pyproject.toml").partition("layers = [")[2].partition("\n]")[0]
    layers = [line.replace("(", "").replace(")", "") for line in re.findall(r'"(.+)"', contract)]
    page = DOCS / "adr" / "0006-feeds-below-the-engine.md"
    assert text_of(page).partition("```text\n")[2].partition("```")[0].split("\n")[:-1] == layers


def test_every_code_is_explained_with_its_status() -> None:
    """errors.md has a row for each code, with the status that integrations/problem.py gives it."""
    rows = rows_of(DOCS / "errors.md")
    assert {code: rows.get(code, [""])[0] for code in STATUS_OF_CODE} == {
        code: str(status) for code, status in STATUS_OF_CODE.items()
    }


def test_every_error_has_a_status() -> None:
    """Each error that a caller can meet has a code with a status of its own."""
    kinds = {errors.AuthError, errors.Unavailable, errors.ConfigurationError}
    codes = {found.code for found in error_classes(errors.CounterfoilError) if found not in kinds}
    assert codes == set(STATUS_OF_CODE)


def test_every_setting_is_explained() -> None:
    """server.md has a row for each setting of the server."""
    assert set(Settings.model_fields) <= set(rows_of(DOCS / "server.md"))


def test_every_threat_names_a_test_that_exists() -> None:
    """Each row of the tables in threat-model.md, and of those of the feed in bound.md, names tests,
    and they are there."""
    text = text_of(DOCS / "threat-model.md")
    text += text_of(DOCS / "bound.md").partition("## Whom the feed withstands")[2]
    rows = [line for line in text.splitlines() if re.match(r"\| (?!-|threat)", line)]
    assert [row for row in rows if not TEST.search(row)] == []
    assert [
        f"{path}::{name}" for path, name in TEST.findall(text) if name not in names_in(ROOT / path)
    ] == []


def names_in(path: Path) -> set[str]:
    """The names of a file's tests and test classes, `Class::test` for those within."""
    if not path.exists():
        return set()
    names: set[str] = set()
    for node in ast.parse(text_of(path)).body:
        if isinstance(node, ast.ClassDef):
            names |= {node.name} | {
                f"{node.name}::{inner.name}" for inner in node.body if hasattr(inner, "name")
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file or a heading of this project finds it."""
    lost = []
    for target in LINK.findall(prose_of(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and anchor not in anchors_of(goal)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_keeps_to_the_words_of_the_project(page: Path) -> None:
    """No page uses a rejected word, or names a folder of one machine."""
    text = text_of(page)
    assert [word for word in REJECTED if word in text.lower()] == []
    assert OF_ONE_MACHINE.findall(text) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_one_title(page: Path) -> None:
    """A page begins with its one first heading."""
    assert prose_of(page).startswith("# ")
    assert len(re.findall(r"^# ", prose_of(page), re.MULTILINE)) == 1


def test_every_page_is_linked_from_the_first() -> None:
    """README.md leads to every page of docs/, directly or over architecture.md."""
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in (ROOT / "README.md", DOCS / "architecture.md")
        for target in LINK.findall(prose_of(page))
    }
    assert [named(page) for page in PAGES[1:] if page not in linked] == []
