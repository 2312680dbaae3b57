"""Log events by structlog through `logging.getLogger("outlast")`.

Silent until the application configures logging; one line per decision that a person may want to
read at night, none per request. The full record is the journal.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog

__all__ = ["logger"]

_stdlib = logging.getLogger("outlast")
_stdlib.addHandler(logging.NullHandler())


def logger(**context: Any) -> structlog.stdlib.BoundLogger:
    """A logger that carries `context` (venue, product) in every event."""
    bound: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        _stdlib,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.KeyValueRenderer(key_order=["event", "venue"]),
        ],
        **context,
    )
    return bound
