"""`maas models predict`: a table through the API, costs, and errors."""

import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.customers import Customer, client
from tests.support.gateway.own_rows import INPUTS, served, table, trained
from tests.support.gateway.trainings import create_variant
from tests.support.nightly import nightly


@pytest.fixture
async def name(
    gateway: Gateway, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    leave_logs_alone(monkeypatch)
    monkeypatch.setenv("MAAS_API_KEY", gateway.key.secret)
    async with client(gateway.url, gateway.key.secret) as openai:
        yield await trained(Customer(gateway, openai), upstream)


async def run(gateway: Gateway, folder: Path, name: str, *options: str) -> tuple[int, str]:
    file, output = folder / "june.csv", folder / "predictions.csv"
    file.write_bytes(table())
    arguments = (name, "--on", str(file), "-o", str(output), "--url", gateway.url)
    return await invoke({}, "models", "predict", *arguments, *options, "--json")


async def test_predictions_of_all_rows_are_written(
    gateway: Gateway, upstream: FakeUpstream, tmp_path: Path, name: str
) -> None:
    code, out = await run(gateway, tmp_path, name)
    assert code == 0, out
    assert json.loads(out)["rows"] == 60
    text = (tmp_path / "predictions.csv").read_text(encoding="utf-8-sig")
    first = next(csv.DictReader(text.splitlines()))
    assert (first["line"], first["value"]) == ("2", "-1")
    assert "parameters" not in upstream.received[-1]


@nightly
async def test_costs_are_sent_and_incomplete_ones_refused(
    gateway: Gateway, upstream: FakeUpstream, tmp_path: Path, name: str
) -> None:
    own = await create_variant(gateway)
    upstream.inputs[own] = INPUTS
    async with client(gateway.url, gateway.key.secret) as openai:
        await served(Customer(gateway, openai), own, 1)
    costs = ("--false-alarm", "200", "--miss", "9000", "--limit", "0.3")
    code, out = await run(gateway, tmp_path, own, *costs)
    assert code == 0, out
    sent = upstream.received[-1]["parameters"]["costs"]
    assert sent == {"false_alarm": 200.0, "miss": 9000.0, "limit": 0.3}
    code, out = await run(gateway, tmp_path, name, "--miss", "9000")
    assert (code, json.loads(out)["error"]["param"]) == (1, "false_alarm")


async def test_key_that_is_missing_or_wrong_and_unknown_model_are_reported(
    gateway: Gateway, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = await run(gateway, tmp_path, f"{name}:9")
    assert code == 1
    assert "has no such version" in json.loads(out)["error"]["message"]
    monkeypatch.delenv("MAAS_API_KEY")
    code, out = await run(gateway, tmp_path, name)
    assert (code, json.loads(out)["error"]["code"]) == (1, "api_unreachable")
