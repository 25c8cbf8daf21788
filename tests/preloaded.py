"""What has been done in the process from which the tests fork their programs, so that none of them
has to: it takes longer than all else that a server does until it answers."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Final

from counterfoil import jws
from counterfoil.server.passwords import blocklist

if TYPE_CHECKING:
    from counterfoil.client import Algorithm
    from counterfoil.jws import PrivateMaterial

_LOADED: Final = ("counterfoil.cli.program", "counterfoil.server.serving", "httpx2")
_generate = jws.generate
# Two are made by a server that signs with RSA when it starts first.
_keys: Final = [_generate("RS256"), _generate("RS256")]


def _drawn(algorithm: Algorithm) -> PrivateMaterial:
    """A new key; of RSA one that was made before, as long as there is one."""
    return _keys.pop() if algorithm == "RS256" and _keys else _generate(algorithm)


for each in _LOADED:
    import_module(each)
jws.generate = _drawn
blocklist.longest()
gc.collect()
gc.freeze()  # a program that looks for garbage has only its own to look through
