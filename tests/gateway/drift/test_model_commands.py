"""`maas models observed` and `maas models shadow`."""

import json
from typing import Any

import pytest

from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.customers import Customer
from tests.support.gateway.own_rows import called, observed, predicted, prepared, report


@pytest.fixture
async def name(customer: Customer, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model whose worse version 1 answers calls."""
    leave_logs_alone(monkeypatch)
    return await prepared(customer, upstream)


async def run(customer: Customer, *arguments: str) -> tuple[int, str]:
    configured = customer.gateway.parts.settings
    assert configured.database_url is not None
    environment = {
        "MAAS_DATABASE_URL": configured.database_url.get_secret_value(),
        "MAAS_DATA_DIR": str(configured.data_dir),
    }
    return await invoke(environment, "models", *arguments)


async def test_observed_results_are_printed_by_version(customer: Customer, name: str) -> None:
    await report(customer, observed(await predicted(customer, name)))
    code, out = await run(customer, "observed", name, "--json")
    newest, oldest = json.loads(out)["data"]
    assert (code, newest["rows"], oldest["score"]) == (0, 0, 6.0)
    code, out = await run(customer, "observed", name)
    assert code == 0
    for said in ("RMSE", "90.0%", "0.0%", "no"):
        assert said in out


async def test_shadow_is_started_shown_and_promoted(customer: Customer, name: str) -> None:
    async def shown(*options: str) -> dict[str, Any]:
        code, out = await run(customer, "shadow", name, *options, "--json")
        assert code == 0, out
        found: dict[str, Any] = json.loads(out)
        return found

    assert (await shown("--start", "2", "--share", "1"))["status"] == "running"
    await called(customer, name)
    assert (await shown())["rows"] == 40
    assert (await shown("--promote"))["status"] == "promoted"
    code, out = await run(customer, "shadow", name, "--stop", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "shadow_over")
