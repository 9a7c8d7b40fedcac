"""Cause of money log lines: the request and key, or the command, that changed money."""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.subscribing import SMALL, choose, offer
from tests.support.money_lines import money_lines

# Commands one after the other in one process: each start takes half a second.
_COMMANDS = """
import json, sys
from gateway.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["maas", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""


class TestRequestCause:
    async def test_plan_change_by_api_logs_endpoint_and_key(self, gateway: Gateway) -> None:
        await offer(gateway, SMALL)
        with money_lines() as lines:
            previewed = await choose(gateway, "small", preview=True, key="p-1")
            assert previewed.status_code < 300
            assert lines == []
            assert (await choose(gateway, "small")).status_code < 300
            again = await choose(gateway, "small")
            assert again.headers["idempotent-replayed"] == "true"
        told = [line["event"] for line in lines]
        assert told == ["plan.started", "invoice.finalised", "ledger.invoice"]
        key = ids.format_id("key", gateway.key.row.id)
        cause = {"address": "POST /v1/subscription", "key_id": key}
        assert [line["caused_by"] for line in lines] == [cause] * 3


class TestCommandCause:
    def test_commands_append_to_money_log_and_leave_stderr_empty(
        self, database_url: str, tmp_path: Path
    ) -> None:
        known = {name: value for name, value in os.environ.items() if not name.startswith("MAAS_")}
        known |= {"MAAS_DATABASE_URL": database_url, "MAAS_DATA_DIR": str(tmp_path)}
        commands = [
            ["accounts", "create", "Acme"],
            ["limits", "top-up", "Acme", "200", "--reference", "bank 4711"],
            ["accounts", "list"],
        ]
        done = subprocess.run(
            [sys.executable, "-c", _COMMANDS, json.dumps(commands)],
            env=known,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        file = tmp_path / "logs" / "money.log"
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        assert [line["event"] for line in lines] == ["credit.changed", "ledger.top_up"]
        assert [line["caused_by"]["command"] for line in lines] == ["accounts", "limits"]
        assert (lines[1]["minor"], lines[1]["currency"]) == (20_000, "CNY")
