"""Settings of identifier nodes (`maas node run`), a part of `infra.settings.Settings`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class NodeSettings(BaseSettings):
    """Role, addresses and limits of an identifier node."""

    node_role: Literal["national", "industry", "enterprise"] = Field(
        "enterprise", description="role of the identifier node that `maas node run` starts"
    )
    node_host: str = Field("127.0.0.1", description="address that the identifier node listens on")
    node_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        8090, description="port that the identifier node listens on"
    )
    node_public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="address at which others reach the identifier node; labels contain it; unset: "
        "labels contain the identifier only",
    )
    node_roots: Path | None = Field(
        None,
        description="file (JSON) with the trusted root prefixes of identifiers, each with "
        "`prefix`, `key` (JWK) and `node` (URL); unset: only this node's own prefixes are resolved",
    )
    node_requests_per_minute: Annotated[int, Field(ge=0, le=10**9)] = Field(
        6_000,
        description="resolutions per minute that an identifier node answers to one client address; "
        "0: no limit",
    )
    node_cache_entries: Annotated[int, Field(ge=1, le=10**7)] = Field(
        100_000, description="resolutions that an identifier node caches"
    )
    node_max_ttl_s: Annotated[int, Field(ge=1, le=7 * 86_400)] = Field(
        3_600, description="longest time that an identifier node caches a resolution"
    )
