"""Published vectors, which lie beside the project in ../shared/vectors, or where the environment
says; else their tests skip, and the report says how many.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

ELSEWHERE: Final = "COUNTERFOIL_TEST_VECTORS"
REQUIRED: Final = "COUNTERFOIL_TEST_REQUIRE_VECTORS"
BESIDE: Final = Path(__file__).resolve().parents[2] / "shared" / "vectors"
FOLDER: Final = Path(os.environ.get(ELSEWHERE) or BESIDE)
LEFT_OUT: Final = "published vectors are not here"


def read(name: str) -> Any:
    """A file's content. Skips the test, or the whole module where it is being collected."""
    path = FOLDER / name
    if not path.exists():
        if os.environ.get(REQUIRED):
            raise FileNotFoundError(path)
        pytest.skip(f"{LEFT_OUT}: {path}", allow_module_level=True)
    return json.loads(path.read_text(encoding="utf-8"))
