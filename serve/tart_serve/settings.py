"""What the operator of a service may set."""

from __future__ import annotations

from dataclasses import dataclass, field

from tart_serve.document_writer import WriteSettings
from tart_serve.engine_settings import EngineSettings
from tart_serve.reloading import ReloadSettings
from tart_serve.security.settings import ClientLimits, SecuritySettings
from tart_serve.telemetry.settings import TelemetrySettings


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Limits of a service.

    Attributes:
        max_body_bytes: A request body of more is refused with 413.
        ready_deadline: Seconds within which `/readyz` must have its canaries answered.
        security: Who may ask.
        limits: What one client may take.
        telemetry: Logs and traces.
        engine: Batches, the bounds of the queue, deadlines.
        reload: How new versions of indexes come into service.
        writes: Whether and how documents may be written.
    """

    max_body_bytes: int = 8 * 2**20
    ready_deadline: float = 5.0
    security: SecuritySettings = field(default_factory=SecuritySettings)
    limits: ClientLimits = field(default_factory=ClientLimits)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    writes: WriteSettings = field(default_factory=WriteSettings)
