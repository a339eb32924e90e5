"""The log: JSON lines on standard error, one an event."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import Any

# Where a record carries its own fields beside its message: logger.info("...", extra={FIELDS: {...}}).
FIELDS = "fields"


class JsonFormatter(logging.Formatter):
    """A record as one line of ASCII JSON: whatever a client sent cannot break the line or the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Writes time, level, logger and message, the record's own fields, and the trace of an exception."""
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """Sends what this process logs to standard error: of the service from a level on, of libraries warnings.

    Args:
        level: "debug", "info", "warning" or "error".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.root.handlers = [handler]
    logging.root.setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.getLogger("tart_serve").setLevel(level.upper())
