"""`maas variants` on the database of a running gateway."""

import json
from typing import Any

import pytest

from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.gateway.customers import Customer


class Command:
    """The command for the customer's account."""

    def __init__(self, customer: Customer) -> None:
        configured = customer.gateway.parts.settings
        assert configured.database_url is not None
        self.environment = {
            "MAAS_DATABASE_URL": configured.database_url.get_secret_value(),
            "MAAS_DATA_DIR": str(configured.data_dir),
        }
        self.account = f"acct_{customer.gateway.account.id.hex}"

    async def run(self, name: str, *arguments: str) -> tuple[int, Any]:
        """Run a command with JSON output; returns exit code and output."""
        words = ("variants", name, self.account, *arguments, "--json")
        code, out = await invoke(self.environment, *words)
        return code, json.loads(out)


@pytest.fixture
def command(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> Command:
    leave_logs_alone(monkeypatch)
    return Command(customer)


async def test_rejected_model_is_accepted_by_the_operator(
    command: Command, customer: Customer
) -> None:
    job = await customer.adapts("12")
    code, accepted = await command.run("accept", job.id)
    assert (code, accepted["status"]) == (0, "queued")
    done = await customer.ended(job.id)
    assert (done.status, done.accepted_by) == ("succeeded", None)
    assert done.accepted_at is not None
    code, told = await command.run("accept", job.id)
    assert (code, told["error"]["code"]) == (1, "fine_tuning_job_not_rejected")


async def test_versions_are_listed_chosen_and_rolled_back(
    command: Command, customer: Customer
) -> None:
    for _ in range(2):
        name = (await customer.adapts()).fine_tuned_model
    _, listed = await command.run("list")
    assert listed == [{"id": name, "current": 2, "versions": [1, 2]}]
    code, changed = await command.run("rollback", name)
    assert (code, changed) == (0, {"model": name, "version": 1, "previous_version": 2})
    _, changed = await command.run("activate", name, "2")
    assert changed["version"] == 2
    _, versions = await command.run("versions", name)
    assert [(one["version"], one["current"]) for one in versions] == [(2, True), (1, False)]


async def test_deleted_model_is_stated_with_its_hashes(
    command: Command, customer: Customer, upstream: FakeUpstream
) -> None:
    command.environment["MAAS_SERVING_URL"] = upstream.url
    name = (await customer.adapts()).fine_tuned_model
    code, told = await command.run("delete", name, "--yes", "--training-files")
    assert code == 0
    assert told["model_servers"] == {"asked": 1, "confirmed": 1}
    assert len(told["versions"]) == len(told["training_files"]) == 1
    _, listed = await command.run("deletions")
    assert listed == [told]
    code, error = await command.run("delete", name, "--yes")
    assert (code, error["error"]["code"]) == (1, "model_not_found")
