"""Keys that a test's many engines read again and again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from counterfoil import jws

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from counterfoil.jws import PrivateMaterial

_FOUND: Final[dict[str, PrivateMaterial]] = {}


def read_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To examine a key of RSA takes longer than all else that opening a store does."""
    read = jws.import_private

    def remembered(jwk: Mapping[str, Any]) -> PrivateMaterial:
        text = json.dumps(jwk)
        if text not in _FOUND:
            _FOUND[text] = read(jwk)
        return _FOUND[text]

    monkeypatch.setattr(jws, "import_private", remembered)
