"""A stranger's first month in a browser: sign-up, payment, paid calls, a bill by project, a fapiao.

The first paid call takes at most ten clicks and four minutes.
"""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from playwright.async_api import Page

from billing.fapiao.issuing import apply_results, export_batch
from gateway.demo.fapiao import DemoTaxPlatform
from infra.database.database import Database
from models.catalog import Catalog, Meter
from tests.support.billing.making import bill_all_usage
from tests.support.builders import (
    CATALOG,
    CHAT,
    INDUSTRIAL,
    Emptying,
    Gateway,
    client,
    run_gateway,
    settings,
)
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows
from tests.support.dashboard.sign_ups import SIGN_UP, fields, mailed_code, payment_values
from tests.support.fakes.payments.wechat_pay import FakeWeChatPay, run_fake_wechat_pay
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.desks import PASSWORD
from tests.support.gateway.signing_up import write_texts
from tests.support.nightly import nightly

pytestmark = NEEDS_BROWSER
_TOKEN = {"CNY": {Meter.INPUT_TOKENS: 10**8, Meter.OUTPUT_TOKENS: 10**8}}
# A token costs 0.10, so that a few of them are paid by more than the starting grant of 0.10.
DEAR = Catalog(
    {
        **CATALOG.models,
        **{name: replace(CATALOG.models[name], prices=_TOKEN) for name in (INDUSTRIAL, CHAT)},
    }
)
PROJECT = "二车间 Line 2"


@dataclass
class Clicks:
    """A tab whose clicks are counted."""

    page: Page
    made: list[str] = field(default_factory=list)

    async def on(self, selector: str) -> None:
        self.made.append(selector)
        await self.page.click(selector)


@dataclass
class Service:
    """A gateway with sign-up and payment by WeChat Pay, whose clock can be set."""

    gateway: Gateway
    clock: ShiftedClock
    wechat_pay: FakeWeChatPay


@pytest.fixture(scope="module")
async def service(
    postgres: str,
    emptying: Emptying,
    lasting: tuple[Database, Database],
    tmp_path_factory: pytest.TempPathFactory,
    shared_upstream: FakeUpstream,
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("first-month")
    clock = ShiftedClock()
    async with run_fake_wechat_pay(clock) as wechat_pay:
        configured = settings(
            postgres,
            folder,
            shared_upstream.url,
            dashboard=True,
            sign_up=True,
            sign_up_texts_dir=write_texts(folder / "texts"),
            sign_up_grant="0.10",
            sign_up_network_grants=100,
            **await payment_values(wechat_pay, folder),
        )
        with pytest.MonkeyPatch.context() as patch, emptying.keeping():
            patch.setenv("NO_PROXY", "127.0.0.1")
            async with run_gateway(configured, clock, catalog=DEAR) as running:
                yield Service(running, clock, wechat_pay)


async def signs_up_and_pays(service: Service, clicks: Clicks, number: int) -> None:
    """From the sign-in page to a paid wallet and the first call in the playground."""
    page, gateway = clicks.page, service.gateway
    await page.goto(f"{gateway.url}/dashboard/sign-in")
    await clicks.on(f"a[href='{SIGN_UP}']")
    for name in ("company_name", "credit_code", "contact_name", "email", "password"):
        await page.fill(f"#{name}", fields(number)[name])
    await clicks.on("#accepted")
    await clicks.on("main form button")
    await page.wait_for_selector("#code")
    await page.fill("#code", await mailed_code(gateway))
    await clicks.on("main form button")
    await page.wait_for_selector("[data-copies]")
    await clicks.on("[data-copies]")
    await clicks.on("a[href='/dashboard/wallet']")
    await page.fill("#amount", "50")
    await clicks.on("form[action='/dashboard/wallet'] button")
    await page.wait_for_selector(".qr")
    await pays(service, page.url.rpartition("pord_")[2])
    await page.wait_for_selector(".qr", state="detached")
    await clicks.on("nav a[href='/dashboard/playground']")
    await page.fill("#prompt", "one two")
    await page.evaluate("document.querySelector('#max_tokens').value = 20")
    await clicks.on("#play button:not([type=button])")
    await page.wait_for_selector("#played a")


async def pays(service: Service, number: str) -> None:
    """The customer's phone pays an order, and the gateway is notified."""
    service.wechat_pay.pays(number)
    body, headers = service.wechat_pay.payment_notification(number)
    path = "/collectors/wechat_pay/notifications"
    sent = await service.gateway.http.post(path, content=body, headers=headers)
    assert sent.status_code < 300


async def project_key(service: Service, page: Page) -> str:
    """Create a project and a key in it; returns the key's secret."""
    await page.goto(f"{service.gateway.url}/dashboard/projects")
    await page.fill("#name", PROJECT)
    await page.click("form[action='/dashboard/projects'] button")
    await page.click("a[href^='/dashboard/keys/new?project=proj_']")
    await page.fill("#name", "PLC 7")
    await page.click("form[action='/dashboard/keys'] button")
    found = re.search(r"maas_[0-9A-Za-z]{38}", await page.content())
    assert found is not None
    return found[0]


async def calls(service: Service, secret: str) -> None:
    """A program calls with the project's key."""
    message = {"role": "user", "content": "a b c"}
    body = {"model": CHAT, "messages": [message], "max_tokens": 20}
    async with client(service.gateway.url, {"authorization": f"Bearer {secret}"}) as http:
        sent = await http.post("/v1/chat/completions", json=body)
    assert sent.status_code == 200, sent.text


async def month_ends(service: Service) -> None:
    """The next month begins, and the worker bills the last one."""
    service.clock.to_next_month()
    await bill_all_usage(service.gateway.parts.database, service.clock)


async def signs_in(service: Service, page: Page, number: int) -> None:
    """Sign in again: sessions end while months pass."""
    await page.goto(f"{service.gateway.url}/dashboard/sign-in")
    await page.fill("[name=email]", fields(number)["email"])
    await page.fill("[name=password]", PASSWORD)
    await page.click("main form button")
    await page.wait_for_url("**/dashboard")


async def requests_fapiao(service: Service, page: Page, number: int) -> None:
    """Add a buyer title, and request a fapiao on the page of the paid invoice."""
    await page.goto(f"{service.gateway.url}/dashboard/fapiao")
    await page.fill("#name", "Ningbo Works")
    await page.fill("#tax_number", fields(number)["credit_code"])
    await page.click("form[action='/dashboard/fapiao/titles'] button")
    await page.goto(f"{service.gateway.url}/dashboard/invoices")
    await page.click("a[href^='/dashboard/invoices/inv_']")
    await page.click("a[href$='/fapiao']")
    await page.click("form[action$='/fapiao'] button")


async def operator_issues(service: Service) -> str:
    """The operator issues all requested fapiao; returns the number of the newest."""
    clock = service.clock
    platform = DemoTaxPlatform(clock.now().date())
    async with service.gateway.parts.database.transaction() as session:
        await export_batch(session, clock, platform, "Li Na")
        done = await apply_results(session, clock, platform)
    number = done.issued[-1].number
    assert number is not None
    return number


@pytest.mark.parametrize(
    ("locale", "number"), [("zh-CN", 41), pytest.param("en-US", 42, marks=nightly)]
)
async def test_stranger_pays_calls_and_gets_a_bill_by_project_and_a_fapiao(
    service: Service, browser: Windows, locale: str, number: int
) -> None:
    """Clicks on links, buttons and boxes; typing, the e-mail and the phone are not counted."""
    service.clock.to_middle_of_month()
    began = time.monotonic()
    async with browser.tab(locale, 1440) as page:
        clicks = Clicks(page)
        await signs_up_and_pays(service, clicks, number)
        assert len(clicks.made) == 9, clicks.made
        assert time.monotonic() - began < 240
        await calls(service, await project_key(service, page))
        await month_ends(service)
        await signs_in(service, page, number)
        await requests_fapiao(service, page, number)
        issued = await operator_issues(service)
        await page.reload()
        assert issued in await page.content()
        await page.goto(f"{service.gateway.url}/dashboard/invoices")
        await page.click("a[href^='/dashboard/invoices/inv_']")
        (amount,) = await page.locator(f"tr:has(td:text-is('{PROJECT}')) td.num").all_inner_texts()
        assert re.fullmatch(r"[^1-9]*[0-9]+\.[0-9]{2}", amount), amount
        assert float(amount.strip(" ¥CNY\xa0")) > 0
