"""Settings of readings of plant points, a part of `infra.settings.Settings`."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

Days = Annotated[int, Field(ge=1, le=36_500)]


class ReadingsSettings(BaseSettings):
    """How readings are accepted and how long they are stored."""

    readings_per_request: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        50_000, description="readings of one request to `/v1/plant/readings`"
    )
    readings_max_age_days: Days = Field(
        31, description="age of the oldest readings that are accepted"
    )
    readings_future_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        120.0, description="how far the time of a reading may be in the future"
    )
    readings_unknown_tags: Literal["reject", "create"] = Field(
        "reject",
        description="whether readings of unknown tags are refused or create unmapped points; an "
        "account can have its own rule",
    )
    readings_max_points: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        10_000, description="points of an account above which unknown tags create none"
    )
    readings_retention_days: Days = Field(
        400, description="days for which readings are stored; an account can have its own number"
    )
    readings_rollup_retention_days: Days = Field(
        1_826,
        description="days for which aggregates by minute and hour are stored; an account can have "
        "its own number",
    )
