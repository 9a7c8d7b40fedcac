"""`maas models retrain`: set, show and delete a schedule."""

import json
from typing import Any

import pytest

from tests.gateway.fine_tuning.variants import adapted
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.customers import Customer


async def run(customer: Customer, name: str, *options: str) -> tuple[int, Any]:
    configured = customer.gateway.parts.settings
    assert configured.database_url is not None
    environment = {
        "MAAS_DATABASE_URL": configured.database_url.get_secret_value(),
        "MAAS_DATA_DIR": str(configured.data_dir),
    }
    code, out = await invoke(environment, "models", "retrain", name, *options, "--json")
    return code, json.loads(out)


async def test_schedule_is_set_shown_and_deleted(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_logs_alone(monkeypatch)
    name = await adapted(customer)
    code, told = await run(customer, name)
    assert (code, told["error"]["code"]) == (1, "retraining_not_found")
    options = ("--every", "month", "--filename", "line.jsonl", "--budget", "12.50")
    code, found = await run(customer, name, *options)
    assert (code, found["every"], found["filename"]) == (0, "month", "line.jsonl")
    assert (float(found["budget"]), found["automatic"], found["runs"]) == (12.5, False, [])
    assert (await run(customer, name))[1]["next_at"] == found["next_at"]
    code, told = await run(customer, name, "--every", "week", "--budget", "1")
    assert (code, told["error"]["param"]) == (1, "file")
    assert (await run(customer, name, "--off"))[1]["deleted"] is True
    assert (await run(customer, name))[0] == 1
