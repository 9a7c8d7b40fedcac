"""A bank's statements of one customer's transfers, imported and confirmed by the Admin API."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.paying.messages import csv_statement
from tests.support.paying.service import PayingService

_LINES = "/v1/admin/bank_lines"


@dataclass
class BankFile:
    """Transfers of one payer; each has its own reference of the bank."""

    service: PayingService
    payer: str
    transfers: int = 0

    async def receives(self, minor: int, text: str) -> None:
        """Import a statement with one more transfer."""
        self.transfers += 1
        content = csv_statement(f"S{self.transfers}", minor, self.payer, text)
        body = {"name": "s.csv", "content": content, "account": "3901"}
        assert (await self._post("/import", body))["new"] == 1

    async def confirms_exact(self) -> int:
        """Confirm the lines that agree; returns how many."""
        confirmed: int = (await self._post("/confirm_exact", {}))["confirmed"]
        return confirmed

    async def confirms_by_hand(self) -> None:
        """Let a person confirm the only line that waits."""
        listed = await self.service.http.get(_LINES, headers=self._headers())
        (line,) = listed.json()["data"]
        await self._post(f"/{line['id']}/confirm", {})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        content, headers = json.dumps(body), self._headers()
        sent = await self.service.http.post(_LINES + path, content=content, headers=headers)
        assert sent.status_code == 200, sent.text
        answer: dict[str, Any] = sent.json()
        return answer

    def _headers(self) -> dict[str, str]:
        key = self.service.admin_key
        return {"authorization": f"Bearer {key}", "content-type": "application/json"}
