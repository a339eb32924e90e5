"""What the operator of a service may set."""

from __future__ import annotations

from dataclasses import dataclass, field

from tart_serve.document_writer import WriteSettings
from tart_serve.reloading import ReloadSettings


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Limits of a service.

    Attributes:
        max_body_bytes: A request body of more is refused with 413.
        ready_deadline: Seconds within which `/readyz` must have its canaries answered.
        reload: How new versions of indexes come into service.
        writes: Whether and how documents may be written.
    """

    max_body_bytes: int = 8 * 2**20
    ready_deadline: float = 5.0
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    writes: WriteSettings = field(default_factory=WriteSettings)
