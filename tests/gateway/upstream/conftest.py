"""Fixtures for tests of upstreams of a catalog file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.asgi.exchange import ClientExchange
from models.catalog import load_configured_catalog
from tests.gateway.upstream.bought_model import CATALOG_TEXT, Start
from tests.support import builders
from tests.support.builders import CHAT, INDUSTRIAL, Gateway, run_gateway
from tests.support.fakes.provider import FakeProvider, run_fake_provider
from tests.support.fakes.upstream import FakeUpstream


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with run_fake_provider() as fake:
        yield fake


@pytest.fixture
def noticed(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the gateway has noticed that a client disconnected."""
    event, wait = asyncio.Event(), ClientExchange.wait_for_disconnect

    async def notice(client: ClientExchange) -> None:
        await wait(client)
        event.set()

    monkeypatch.setattr(ClientExchange, "wait_for_disconnect", notice)
    return event


@pytest.fixture
def start(
    database_url: str,
    tmp_path: Path,
    upstream: FakeUpstream,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    """Starts a gateway with a catalog file in which the text between braces is filled in."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "maas_secret_provider").write_text(f"{provider.key}\n")
    (secrets / "maas_secret_org").write_text("acme")
    monkeypatch.delenv("MAAS_SECRET_PROVIDER", raising=False)
    upstream.listed = [CHAT, INDUSTRIAL]
    timing = replace(builders.TIMING, catalog_poll_s=0.02, availability_s=0.1)

    @asynccontextmanager
    async def run(
        catalog: str = CATALOG_TEXT, servers: str = upstream.url, **values: Any
    ) -> AsyncIterator[Gateway]:
        file = tmp_path / "operator.toml"
        file.write_text(catalog.replace("{url}", provider.url))
        configured = builders.settings(
            *(database_url, tmp_path, servers),
            **{"catalog": (file,), "secrets_dir": secrets, "timing": timing, **values},
        )
        own = load_configured_catalog(configured)
        async with run_gateway(configured, catalog=own) as gateway:
            yield gateway

    return run
