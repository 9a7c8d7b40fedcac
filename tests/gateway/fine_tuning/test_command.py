"""`maas variants` on the database of a running gateway."""

import json
from typing import Any

import pytest

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
