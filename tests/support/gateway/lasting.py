"""A gateway that tests of a module share, with the model server behind it: for modules where no
test looks at what another one left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openai import AsyncOpenAI

from models.catalog import Catalog
from tests.support import builders
from tests.support.builders import CATALOG, Emptying, Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.gateway.customers import client


@dataclass(frozen=True, slots=True)
class Lasting:
    """The gateway, the model server and the official client of the gateway's customer."""

    gateway: Gateway
    upstream: FakeUpstream
    openai: AsyncOpenAI


@asynccontextmanager
async def run_lasting(
    postgres: str, emptying: Emptying, catalog: Catalog = CATALOG, **values: Any
) -> AsyncIterator[Lasting]:
    """Empty the database and serve until the block ends."""
    with emptying.keeping(), TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_fake_upstream() as upstream:
            configured = builders.settings(postgres, Path(folder), upstream.url, **values)
            async with (
                run_gateway(configured, catalog=catalog) as gateway,
                client(gateway.url, gateway.key.secret) as openai,
            ):
                yield Lasting(gateway, upstream, openai)
