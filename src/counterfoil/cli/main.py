"""The program `counterfoil`: where it begins, and what it says when its parts are not installed."""

from __future__ import annotations

import gc
import sys
from typing import Final

MISSING: Final = "Run pip install 'counterfoil[server]': the command line needs {}.\n"


def main() -> None:
    """Runs the command that the arguments name. Exits 2 where the `server` extra is missing."""
    try:
        # To look for garbage takes a tenth of the time to load, and there is none.
        gc.disable()
        from counterfoil.cli.program import program

        gc.enable()
        program(prog_name="counterfoil")
    except ModuleNotFoundError as why:
        name = (why.name or "").partition(".")[0]
        if name == "counterfoil" or name in sys.stdlib_module_names:
            raise
        sys.stderr.write(MISSING.format(name))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
