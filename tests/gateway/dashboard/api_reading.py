"""What the API says, for comparison with a page."""

from typing import Any

from tests.support.dashboard.firm import Firm


async def api(firm: Firm, path: str) -> Any:
    return (await firm.gateway.http.get(path)).json()


async def invoice_of(firm: Firm) -> str:
    return str((await api(firm, "/v1/invoices"))["data"][0]["id"])
