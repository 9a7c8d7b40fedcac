"""`maas models compare`: quote, confirmation, figures."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.customers import Customer, client
from tests.support.gateway.own_rows import table, trained
from tests.support.nightly import nightly


@pytest.fixture
async def name(
    gateway: Gateway, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """A model with two versions."""
    leave_logs_alone(monkeypatch)
    async with client(gateway.url, gateway.key.secret) as openai:
        yield await trained(Customer(gateway, openai), upstream)


async def run(
    gateway: Gateway,
    upstream: FakeUpstream,
    folder: Path,
    name: str,
    *options: str,
    content: bytes | None = None,
) -> tuple[int, str]:
    configured = gateway.parts.settings
    assert configured.database_url is not None
    environment = {
        "MAAS_DATABASE_URL": configured.database_url.get_secret_value(),
        "MAAS_DATA_DIR": str(configured.data_dir),
        "MAAS_SERVING_URL": upstream.url,
    }
    file = folder / "june.csv"
    file.write_bytes(content or table())
    models = (f"{name}:2", f"{name}:1", "--on", str(file), "--target", "wear")
    return await invoke(environment, "models", "compare", *models, *options)


@nightly
async def test_figures_of_both_versions_are_printed(
    gateway: Gateway, upstream: FakeUpstream, tmp_path: Path, name: str
) -> None:
    code, out = await run(gateway, upstream, tmp_path, name, "--json", "--yes")
    found = json.loads(out)
    assert (code, found["status"]) == (0, "completed")
    assert [one["score"] for one in found["results"]] == [1.0, 6.0]


@nightly
async def test_figures_that_overflow_are_printed_as_dashes(
    gateway: Gateway, upstream: FakeUpstream, tmp_path: Path, name: str
) -> None:
    lines = [f"{row};{'1e200' if row == 0 else 2 * row}" for row in range(20)]
    content = "\n".join(["torque;wear", *lines]).encode()
    code, out = await run(gateway, upstream, tmp_path, name, "--yes", content=content)
    assert code == 0
    assert "– to –" in out
    assert "no difference shown" in out


@nightly
async def test_quote_and_figures_are_readable(
    gateway: Gateway, upstream: FakeUpstream, tmp_path: Path, name: str
) -> None:
    code, out = await run(gateway, upstream, tmp_path, name, "--quote")
    assert code == 0
    assert "most in total" in out
    code, out = await run(gateway, upstream, tmp_path, name, "--yes")
    assert code == 0
    assert "the first is better" in out


async def test_billed_comparison_needs_a_confirmation(
    gateway: Gateway, upstream: FakeUpstream, tmp_path: Path, name: str
) -> None:
    code, out = await run(gateway, upstream, tmp_path, name, "--json")
    assert code != 0
    assert "confirmation_needed" in out
    rows = await gateway.rows(2)
    assert {row["operation"] for row in rows} == {"adaptation"}
