"""Published vectors, which lie beside the project in ../shared/vectors; else their tests skip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def read(name: str) -> Any:
    """A file's content. Skips the test, or the whole module where it is being collected."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the published vectors {name} are not in {FOLDER}", allow_module_level=True)
    return json.loads(path.read_text(encoding="utf-8"))
