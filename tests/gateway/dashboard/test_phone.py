"""Pages on a phone, 390 pixels wide, with large amounts and long names: nothing is wider than the
screen, in both languages."""

import pytest
from playwright.async_api import Browser

from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.addresses import PLATFORM, addresses
from tests.gateway.dashboard.widths import wider
from tests.support.billing.making import sql
from tests.support.dashboard.browsing import NEEDS_BROWSER, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker

pytestmark = NEEDS_BROWSER
LONG = "Ningbo-Haishu-Precision-Machinery-Works-No-3"
LARGE = (
    "update usage_total set output_tokens = output_tokens * 100000000000000,"
    " cost_nano = cost_nano * 100000000000",
    "update usage_tag_total set output_tokens = output_tokens * 100000000000000,"
    f" value = '{LONG}-{LONG}'",
    "alter table invoice disable trigger user",
    "update invoice set net = 12345678901200, total = 12345678901200",
    f"update api_key set name = '{LONG}'",
    f"update account set name = '{LONG}-' || left(id::text, 4) || right(id::text, 4)",
)


@pytest.fixture
async def large(firm: Firm) -> Firm:
    for statement in LARGE:
        await sql(firm.gateway.parts.database, statement)
    return firm


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
async def test_no_page_is_wider_than_a_phone(large: Firm, browser: Browser, language: str) -> None:
    url, look = large.gateway.url, (language, "light", 390)
    async with looked(browser, url, look, large.owner) as seen:
        assert await wider(seen, await addresses(large)) == {}


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
async def test_no_page_of_the_platform_is_wider_than_a_phone(
    large: Firm, browser: Browser, language: str
) -> None:
    gateway, look = large.gateway, (language, "light", 390)
    invoice = (await gateway.http.get("/v1/invoices")).json()["data"][0]["id"]
    known = {"account": ids.show("acct", gateway.account.id), "invoice": invoice}
    async with (
        looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator,
        looked(browser, gateway.url, look, operator) as seen,
    ):
        assert await wider(seen, [page.format(**known) for page in PLATFORM]) == {}
