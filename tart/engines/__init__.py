"""How a batch of token ids becomes vectors on this hardware."""

from tart.engines.base import Engine
from tart.engines.hardware import Hardware

__all__ = ["Engine", "Hardware"]
