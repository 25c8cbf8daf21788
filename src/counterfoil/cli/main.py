"""The program `counterfoil`: where it begins, and what it says when its parts are not installed."""

from __future__ import annotations

import gc
import sys
from typing import Final

MISSING: Final = "Run pip install 'counterfoil[server]': the command line needs {}.\n"


def main() -> None:
    """Runs the command that the arguments name. Exits 2 where the `server` extra is missing."""
    try:
        # What is loaded is no garbage: to look for some in it, here and at the end, takes a quarter
        # of the time of a short command.
        gc.disable()
        from counterfoil.cli.program import program

        gc.freeze()
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
