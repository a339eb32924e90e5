"""What all request bodies have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

MAX_CHARACTERS = 100_000


class StrictBody(BaseModel):
    """A request body that takes no field it does not know and converts no type silently."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)
