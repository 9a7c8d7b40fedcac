"""Static assets of the pages: caching, compression and size."""

import re

import pytest

from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import client

_FIRST_LOAD = 200_000


@pytest.fixture(scope="module")
def firm(shared_firm: Firm) -> Firm:
    """Shared by both tests, which only read."""
    return shared_firm


async def test_assets_are_immutable_compressed_and_small(firm: Firm) -> None:
    page = await firm.owner.page("/dashboard")
    addresses = re.findall(r'(?:src|href)="(/dashboard/assets/[^"]+)"', page)
    assert len(addresses) == 6
    whole = len(page.encode())
    for address in addresses:
        async with client(firm.gateway.url) as http:
            plain = await http.get(address, headers={"accept-encoding": "identity"})
            packed = await http.get(address)
        assert "immutable" in packed.headers["cache-control"]
        assert "content-encoding" not in plain.headers
        assert plain.content == packed.content
        if "chart" not in address:
            whole += int(packed.headers["content-length"])
    assert whole < _FIRST_LOAD


async def test_unknown_asset_returns_404(firm: Firm) -> None:
    for name in ("dashboard.000000000000.css", "..%2F__init__.py", "x"):
        answer = await firm.owner.http.get(f"/dashboard/assets/{name}")
        assert answer.status_code == 404
