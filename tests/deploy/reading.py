"""The files of deploy/, read as those read them who are given them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # it brings no types

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
UNIT: Final = DEPLOY / "counterfoil.service"
GIVEN: Final = tuple(
    path
    for path in sorted(DEPLOY.rglob("*"))
    if path.is_file() and path.name != ".env" and path.parent.name != "secrets"
)
_NAMED: Final = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile, each with its words on one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    told = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    lines = re.sub(r"\s*\\\n\s*", " ", told).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def last(name: str) -> str:
    """An instruction as it is in force."""
    return [words for each, words in instructions() if each == name][-1]


def image_environment() -> dict[str, str]:
    """What the image sets of Counterfoil."""
    return dict(re.findall(r"(COUNTERFOIL_\w+)=(\S+)", last("ENV")))


def health_check() -> list[str]:
    words: list[str] = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])
    return words


def compose() -> Any:
    """compose.yaml, with the variables of example.env in their places."""
    return _with(example(), yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


def _with(given: dict[str, str], told: Any) -> Any:
    """Docker puts values in after it has parsed: an empty one is an empty text."""
    if isinstance(told, dict):
        return {name: _with(given, each) for name, each in told.items()}
    if isinstance(told, list):
        return [_with(given, each) for each in told]
    if isinstance(told, str):
        return _NAMED.sub(lambda found: given.get(found[1]) or found[2] or "", told)
    return told


def example() -> dict[str, str]:
    text = (DEPLOY / "example.env").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def of_unit(name: str) -> list[str]:
    """All values of one of the unit's settings."""
    text = UNIT.read_text(encoding="utf-8")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
