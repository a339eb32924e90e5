"""What the operator of a service may set."""

from __future__ import annotations

from dataclasses import dataclass, field

from tart_serve.engine_settings import EngineSettings


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Limits of a service.

    Attributes:
        max_body_bytes: A request body of more is refused with 413.
        ready_deadline: Seconds within which `/readyz` must have its canaries answered.
        engine: Batches, the bounds of the queue, deadlines.
    """

    max_body_bytes: int = 8 * 2**20
    ready_deadline: float = 5.0
    engine: EngineSettings = field(default_factory=EngineSettings)
