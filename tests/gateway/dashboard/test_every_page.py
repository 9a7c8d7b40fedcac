"""Pages in headless Chromium, in both themes and widths: one of each kind by day, all nightly.

By day, the HTML of every page is checked in Chinese. Amounts are large and names are long. A test
fails on an axe violation, a content security policy violation, a script error, a console message,
or a page wider than a phone.
"""

from collections.abc import AsyncIterator

import pytest

from gateway.identity.roles import Role
from infra import ids
from tests.gateway.dashboard.addresses import PLATFORM, addresses, of_each_kind
from tests.gateway.dashboard.widths import on_a_phone, too_wide
from tests.support.billing.making import sql
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker
from tests.support.dashboard.markup import markup_faults
from tests.support.nightly import at_length

pytestmark = NEEDS_BROWSER
OUTSIDE = ["/dashboard/sign-in", "/dashboard/forgot", "/dashboard/reset/x"]
LOOKS = (("zh-CN", "light", 1440), ("en-US", "dark", 390), ("zh-CN", "dark", 390))
# By day each page is loaded once, wide and light, and becomes narrow and dark without another load.
# In English, which is longer than Chinese; that its Chinese is there is read from its HTML.
DAILY = (("en-US", "light", 1440),)
Looks = tuple[tuple[str, str, int], ...]
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


@pytest.fixture(scope="module")
async def account_pages(firm: Firm) -> list[str]:
    return await addresses(firm)


@pytest.fixture(scope="module")
async def platform_pages(firm: Firm) -> list[str]:
    gateway = firm.gateway
    invoice = (await gateway.http.get("/v1/invoices")).json()["data"][0]["id"]
    known = {"account": ids.format_id("acct", gateway.account.id), "invoice": invoice}
    return [page.format(**known) for page in PLATFORM]


@pytest.fixture(scope="module")
async def operator(firm: Firm) -> AsyncIterator[Looker]:
    gateway = firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


async def faults(
    browser: Windows, firm: Firm, who: Looker | None, pages: list[str], looks: Looks
) -> dict[object, list[str]]:
    """Problems of these pages, by page and look, and of each made narrow and dark."""
    found: dict[object, list[str]] = {}
    for look in looks:
        async with looked(browser, firm.gateway.url, look, who) as seen:
            for address in pages:
                await seen.opens(address)
                wrong = await seen.faults()
                async with on_a_phone(seen):
                    wrong += [*await too_wide(seen), *await seen.dark_faults()]
                wrong += seen.complaints
                if wrong:
                    found[(address, look)] = wrong
                seen.complaints.clear()
    return found


async def html_faults(who: Looker, pages: list[str]) -> dict[str, list[str]]:
    """What a reader of Chinese gets in another language or with faulty markup, by page."""
    found = {}
    for address in pages:
        answer = await who.http.get(address, headers={"accept-language": "zh-CN"})
        wrong = markup_faults(answer.text)
        if answer.status_code >= 500 or 'lang="zh-CN"' not in answer.text:
            wrong.append(f"status {answer.status_code}, or not Chinese")
        if wrong:
            found[address] = wrong
    return found


async def test_account_pages_pass_axe_and_fit_a_phone(
    firm: Firm, browser: Windows, account_pages: list[str]
) -> None:
    looks, pages = at_length((LOOKS, account_pages), (DAILY, of_each_kind(account_pages)))
    assert await faults(browser, firm, firm.owner, pages, looks) == {}


async def test_platform_pages_pass_axe_and_fit_a_phone(
    firm: Firm, browser: Windows, platform_pages: list[str], operator: Looker
) -> None:
    looks, pages = at_length((LOOKS, platform_pages), (DAILY, of_each_kind(platform_pages)))
    assert await faults(browser, firm, operator, pages, looks) == {}


async def test_signed_out_pages_pass_axe_and_fit_a_phone(firm: Firm, browser: Windows) -> None:
    looks = at_length(LOOKS, LOOKS[:2])
    assert await faults(browser, firm, None, OUTSIDE, looks) == {}


async def test_html_of_every_page_is_chinese_and_without_faults(
    firm: Firm, account_pages: list[str], platform_pages: list[str], operator: Looker
) -> None:
    assert await html_faults(firm.owner, account_pages) == {}
    assert await html_faults(operator, platform_pages) == {}
