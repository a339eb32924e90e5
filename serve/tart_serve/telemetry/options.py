"""Options of `tart serve` about logs and traces."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from tart_serve.telemetry.settings import LOG_LEVELS, LogLevel, TelemetrySettings

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"


def telemetry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --log-level and --otel; the command gets them as `telemetry`."""

    @click.option(
        "--log-level",
        type=click.Choice(LOG_LEVELS),
        default="info",
        show_default=True,
        help="Of the JSON lines on standard error; info has one for every request, but for probes that went well.",
    )
    @click.option(
        "--otel/--no-otel",
        default=lambda: bool(os.environ.get(ENDPOINT_VARIABLE)),
        help=f"Export traces by OTLP, as OpenTelemetry's variables say. [default: where {ENDPOINT_VARIABLE} is set]",
    )
    @wraps(command)
    def with_telemetry(*arguments: Any, log_level: LogLevel, otel: bool, **others: Any) -> Any:
        return command(*arguments, telemetry=TelemetrySettings(log_level, otel), **others)

    return with_telemetry
