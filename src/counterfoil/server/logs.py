"""Logs: lines for people on a terminal, JSON lines anywhere else. Codes and ids, no credentials."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.types import Processor


def configure(level: str) -> None:
    """Routes everything that logs, uvicorn included, through one formatter on standard error."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_exceptions,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _without_exceptions(_: Any, __: str, line: Any) -> Any:
    """A traceback's messages may hold what was sent; the kind of the error is enough."""
    record = line.get("_record")
    if record is not None and record.exc_info and record.exc_info[0]:
        line["error"] = record.exc_info[0].__name__
        record.exc_info = record.exc_text = None
    line.pop("exc_info", None)
    return line
