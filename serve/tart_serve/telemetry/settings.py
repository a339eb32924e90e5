"""What the operator may set about logs and traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from tart.errors import TartError

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LOG_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Logs and traces.

    Attributes:
        log_level: Of the service's own log; "info" has a line for every request.
        otel: Whether spans are exported by OpenTelemetry.

    Raises:
        TartError: There is no such level.
    """

    log_level: LogLevel = "info"
    otel: bool = False

    def __post_init__(self) -> None:
        if self.log_level not in LOG_LEVELS:
            raise TartError(f"log level {self.log_level!r}; wanted one of {', '.join(LOG_LEVELS)}")
