"""A gateway that all tests of a module share: of modules whose tests leave nothing that another
test of theirs would see. `database_url` empties the database, so none of them may ask for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openai import AsyncOpenAI

from models.catalog import Catalog
from tests.support import builders
from tests.support.builders import CATALOG, Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.gateway.customers import client


@dataclass(frozen=True, slots=True)
class Lasting:
    """The gateway, the model server behind it and the official client of its customer."""

    gateway: Gateway
    upstream: FakeUpstream
    openai: AsyncOpenAI


@asynccontextmanager
async def run_lasting(
    postgres: str, emptying: builders.Emptying, catalog: Catalog = CATALOG, **values: Any
) -> AsyncIterator[Lasting]:
    """Serve until the block ends, on the emptied database."""
    emptying()
    with TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_fake_upstream() as upstream:
            configured = builders.settings(postgres, Path(folder), upstream.url, **values)
            async with (
                run_gateway(configured, catalog=catalog) as gateway,
                client(gateway.url, gateway.key.secret) as openai,
            ):
                yield Lasting(gateway, upstream, openai)
