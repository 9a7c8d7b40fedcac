"""Settings of the plant model, a part of `infra.settings.Settings`."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class PlantSettings(BaseSettings):
    """How large an account's plant model can be, how many agents it has, and graphs in memory."""

    plant_max_assets: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        50_000, description="active assets of an account, and as many entities"
    )
    plant_max_points: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        500_000, description="active points of an account, and as many relations"
    )
    plant_import_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = Field(
        256 << 20, description="largest file of a plant import"
    )
    agents_per_account: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, description="agents of an account, besides deleted ones"
    )
    agent_runs_per_hour: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, description="runs of one agent outside of its schedule in an hour"
    )
    agent_call_chain: Annotated[int, Field(ge=1, le=64)] = Field(
        8, description="agents in a chain of agents that call each other"
    )
    plant_graphs: Annotated[int, Field(ge=1, le=64)] = Field(
        2,
        description="knowledge graphs of plants that each gateway process holds in memory; each is "
        "a process with up to 1 GB",
    )
