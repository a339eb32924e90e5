"""Bodies of `GET /healthz` and `GET /readyz`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class Ready(BaseModel):
    """Every index was verified and answered just now."""

    status: Literal["ready"]
    indexes: list[str] = Field(examples=[["demo"]])
    took_ms: float = Field(description="Until all canary searches were answered, waiting included.", examples=[4.2])
