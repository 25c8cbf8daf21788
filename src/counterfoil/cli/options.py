"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

# An id is random base64url and may begin with a dash, which makes it no option.
IDS: Final[dict[str, Any]] = {"ignore_unknown_options": True}

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        readable=False,  # told in our own words, with what to do
        help="The data folder; by default $COUNTERFOIL_DATA, or counterfoil-data.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Who = Annotated[str, typer.Argument(metavar="WHO", help="The account's identifier or subject.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to list at most.")]
