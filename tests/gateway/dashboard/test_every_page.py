"""Every page in headless Chromium, in both languages, themes and widths.

Amounts are large and names are long. A test fails on an axe violation, a content security policy
violation, a script error, a console message, or a page wider than a phone.
"""

import pytest

from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.addresses import PLATFORM, addresses
from tests.gateway.dashboard.widths import too_wide
from tests.support.billing.making import sql
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker
from tests.support.nightly import at_length

pytestmark = NEEDS_BROWSER
OUTSIDE = ["/dashboard/sign-in", "/dashboard/forgot", "/dashboard/reset/x"]
LOOKS = (("zh-CN", "light", 1440), ("en-US", "dark", 390), ("zh-CN", "dark", 390))
# Only the first two unless MAAS_NIGHTLY is set: the third combines values of the others.
TAKEN = LOOKS[: at_length(3, 2)]
LONG = "Ningbo-Haishu-Precision-Machinery-Works-No-3"
LARGE = (
    "update usage_total set output_tokens = output_tokens * 100000000000000,"
    " cost_nano = cost_nano * 100000000000",
    "update usage_tag_total set output_tokens = output_tokens * 100000000000000,"
    f" value = '{LONG}-{LONG}'",
    "alter table invoice disable trigger user",
    "update invoice set net = 12345678901200, total = 12345678901200",
    "alter table invoice enable trigger user",
    f"update api_key set name = '{LONG}'",
    f"update account set name = '{LONG}-' || left(id::text, 4) || right(id::text, 4)",
)


@pytest.fixture(scope="module")
async def firm(shared_firm: Firm) -> Firm:
    """Shared by all tests of this module, which only read."""
    for statement in LARGE:
        await sql(shared_firm.gateway.parts.database, statement)
    return shared_firm


async def faults(
    browser: Windows, firm: Firm, who: Looker | None, pages: list[str]
) -> dict[object, list[str]]:
    """Problems of these pages, by page and look. Pages of wide windows are checked at phone width
    too."""
    found: dict[object, list[str]] = {}
    for look in TAKEN:
        async with looked(browser, firm.gateway.url, look, who) as seen:
            for address in pages:
                await seen.opens(address)
                wrong = [*await seen.faults(), *await too_wide(seen)]
                if wrong:
                    found[(address, look)] = wrong
                seen.complaints.clear()
    return found


async def test_account_pages_pass_axe_and_fit_a_phone(firm: Firm, browser: Windows) -> None:
    assert await faults(browser, firm, firm.owner, await addresses(firm)) == {}


async def test_platform_pages_pass_axe_and_fit_a_phone(firm: Firm, browser: Windows) -> None:
    gateway = firm.gateway
    invoice = (await gateway.http.get("/v1/invoices")).json()["data"][0]["id"]
    known = {"account": ids.format_id("acct", gateway.account.id), "invoice": invoice}
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as operator:
        pages = [page.format(**known) for page in PLATFORM]
        assert await faults(browser, firm, operator, pages) == {}


async def test_signed_out_pages_pass_axe_and_fit_a_phone(firm: Firm, browser: Windows) -> None:
    assert await faults(browser, firm, None, OUTSIDE) == {}
