"""`maas models evaluate`: quote, confirmation, run, results."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.access.api_keys import revoke_key
from gateway.identity.audit_log import list_account_entries
from tests.support.builders import CHAT, INDUSTRIAL, Gateway, customer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.evaluator import QUESTIONS, Evaluator


class Command:
    """The command on the database of a running gateway."""

    def __init__(self, gateway: Gateway, upstream: FakeUpstream, folder: Path) -> None:
        configured = gateway.parts.settings
        assert configured.database_url is not None
        self.environment = {
            "MAAS_DATABASE_URL": configured.database_url.get_secret_value(),
            "MAAS_DATA_DIR": str(configured.data_dir),
            "MAAS_SERVING_URL": upstream.url,
        }
        self.file = folder / "questions.jsonl"
        self.file.write_text("\n".join(json.dumps(one) for one in QUESTIONS))

    async def run(self, *arguments: str, model: str = CHAT) -> tuple[int, str]:
        options = ("--on", str(self.file), "--max-tokens", "8", *arguments)
        return await invoke(self.environment, "models", "evaluate", model, *options)

    async def json(self, *arguments: str, model: str = CHAT) -> tuple[int, Any]:
        code, out = await self.run("--json", *arguments, model=model)
        return code, json.loads(out)


@pytest.fixture
def command(
    evaluator: Evaluator,
    gateway: Gateway,
    upstream: FakeUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    leave_logs_alone(monkeypatch)
    return Command(gateway, upstream, tmp_path)


async def test_run_is_executed_by_the_gateway_and_printed_as_json(
    command: Command, gateway: Gateway
) -> None:
    code, run = await command.json("--against", INDUSTRIAL, "--yes")
    assert (code, run["status"]) == (0, "completed")
    assert [one["correct"] for one in run["results"]] == [3, 3]
    assert [one["id"] for one in run["items"]] == ["pressure", "seal", "choice"]
    await gateway.rows(6)
    async with gateway.parts.database.transaction() as session:
        entry, *_ = await list_account_entries(session, gateway.account.id)
    assert (entry.action, entry.subject) == ("evaluation.created", run["id"])
    assert entry.details["against"] == INDUSTRIAL


async def test_results_are_printed_as_tables(command: Command) -> None:
    code, out = await command.run("--yes", "--account", "Acme 精密")
    assert code == 0
    for said in ("How much pressure?", "0.5 MPa", "5 bar", "3/3", "100.0 %", "completed"):
        assert said in out


async def test_quote_creates_no_run(command: Command, gateway: Gateway) -> None:
    code, quote = await command.json("--quote")
    assert (code, quote["questions"], quote["covered"]) == (0, 3, True)
    assert (await gateway.http.get("/v1/evals/runs")).json()["data"] == []


async def test_model_of_a_catalog_file_can_be_quoted(command: Command, tmp_path: Path) -> None:
    code, told = await command.json("--quote", model="ours")
    assert (code, told["error"]["code"]) == (1, "model_not_found")
    file = tmp_path / "operator.toml"
    file.write_text(f'[aliases]\n"ours" = "{CHAT}"\n')
    command.environment["MAAS_CATALOG"] = str(file)
    code, quote = await command.json("--quote", model="ours")
    assert (code, quote["questions"]) == (0, 3)


async def test_command_that_cannot_ask_needs_yes(command: Command, gateway: Gateway) -> None:
    code, told = await command.json()
    assert (code, told["error"]["code"]) == (1, "confirmation_needed")
    assert (await gateway.http.get("/v1/evals/runs")).json()["data"] == []


async def test_account_without_an_active_key_is_told_to_create_one(
    command: Command, gateway: Gateway
) -> None:
    async with gateway.parts.database.transaction() as session:
        place = gateway.parts.clock, gateway.account.id, gateway.key.row.id
        await revoke_key(session, *place)
    code, told = await command.json("--yes")
    assert (code, told["error"]["code"]) == (1, "key_not_found")


async def test_invalid_file_account_and_key_are_reported(
    command: Command, gateway: Gateway
) -> None:
    command.file.write_text('{"question": "x"}')
    code, told = await command.json("--yes")
    assert (code, told["error"]["code"]) == (1, "invalid_question_file")
    assert told["error"]["problems"][0]["line"] == 1
    for option, value, expected in (
        ("--account", "nobody", "account_not_found"),
        ("--key", "key_" + "0" * 32, "key_not_found"),
        ("--max-cost", "much", "invalid_value"),
    ):
        code, told = await command.json("--yes", option, value)
        assert (code, told["error"]["code"]) == (1, expected)
    await customer(gateway.parts.database, gateway.parts.settings, "Other")
    code, told = await command.json("--yes")
    assert (code, told["error"]["code"]) == (1, "account_not_found")
