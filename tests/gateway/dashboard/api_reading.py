"""Reads the API, for comparison with a page."""

import csv
import io
from typing import Any

from tests.support.dashboard.firm import Firm


async def api(firm: Firm, path: str) -> Any:
    return (await firm.gateway.http.get(path)).json()


async def invoice_of(firm: Firm) -> str:
    return str((await api(firm, "/v1/invoices"))["data"][0]["id"])


async def calls_csv(firm: Firm, address: str) -> list[dict[str, str]]:
    answer = await firm.owner.http.get(address)
    assert answer.content.startswith(b"\xef\xbb\xbf")  # the byte order mark lets Excel show Chinese
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
