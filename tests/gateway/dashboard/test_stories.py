"""End-to-end tests in a browser: from an invitation to a paid invoice, key rotation under traffic,
reconciliation of an invoice, an outcome dispute, and suspension of an account.
"""

import asyncio
import base64
import csv
import io
import re
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.async_api import Page
from pypdf import PdfReader

from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.invitations import InvitationService
from gateway.identity.roles import Role
from infra import ids
from tests.support.builders import CHAT, NO_TLS, client
from tests.support.dashboard.browsing import NEEDS_BROWSER, Looked, Windows, looked
from tests.support.dashboard.firm import Firm, Seen
from tests.support.dashboard.looking import looker
from tests.support.nightly import nightly
from tests.support.stories.story import Firm as StoryFirm
from tests.support.stories.stripe_story import SEND, StripeStory, chat
from tests.support.waiting import until_true

pytestmark = NEEDS_BROWSER
ENGLISH = ("en-US", "light", 1440)
ADDRESS, PASSWORD = "li@acme.example", "three wise turbines"
_SECRET = re.compile(r"maas_[0-9A-Za-z]{38}")


async def joins(seen: Looked, stripe: StripeStory, firm: StoryFirm, role: Role) -> None:
    """Invite a person, open the link and submit the join form, which leads to the overview page."""
    inviting = InvitationService.from_settings(stripe.settings, stripe.story.clock)
    async with stripe.story.database.transaction() as session:
        place = session, CLI_ACTOR, firm.account.id
        issued = await inviting.invite(*place, ADDRESS, role)
    await seen.opens(urlsplit(issued.link).path)
    assert await seen.faults() == []
    await seen.page.fill("[name=name]", "Li Xuemei")
    await seen.page.fill("[name=password]", PASSWORD)
    await seen.page.click("button:text-is('Join')")
    await seen.page.wait_for_url("**/dashboard")


class Traffic:
    """A client that calls in a loop and records the key and status of each response."""

    def __init__(self, url: str, secret: str) -> None:
        self.secret = secret
        self.statuses: list[tuple[str, int]] = []
        self._http = httpx.AsyncClient(base_url=url, timeout=60, verify=NO_TLS)

    async def run(self) -> None:
        body = {"model": CHAT, "messages": [{"role": "user", "content": "on"}], "max_tokens": 2}
        async with self._http as http:
            while True:
                secret = self.secret
                headers = {"authorization": f"Bearer {secret}"}
                answer = await http.post("/v1/chat/completions", json=body, headers=headers)
                self.statuses.append((secret, answer.status_code))

    async def goes_on(self, calls: int = 3) -> None:
        """Wait until the current key has this many more responses."""
        secret, before = self.secret, len(self.statuses)
        async with asyncio.timeout(60):
            while sum(one == secret for one, _ in self.statuses[before:]) < calls:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def file_of(page: Page, link: str, place: Path) -> bytes:
    """Content of the file that a link on the page downloads."""
    async with page.expect_download() as started:
        await page.click(link)
    await (await started.value).save_as(place)
    return await asyncio.to_thread(place.read_bytes)


async def test_owner_joins_creates_a_key_and_pays_the_first_invoice(
    stripe: StripeStory, browser: Windows
) -> None:
    """Stripe's hosted page is replaced by a stub, and its webhook by the fake."""
    firm = await stripe.firm(SEND)
    async with looked(browser, stripe.url, ENGLISH, None) as seen:
        page = seen.page
        await _replace_pages_of_stripe(page)
        await joins(seen, stripe, firm, Role.OWNER)
        await seen.opens("/dashboard/keys")
        await page.click("a:text-is('Create API key')")
        await page.fill("[name=name]", "line 1")
        await page.click("button:text-is('Create API key')")
        await page.wait_for_selector("h1:text('Copy your API key now')")
        assert await seen.faults() == []
        secret = _SECRET.search(await page.inner_text("main"))
        assert secret is not None
        headers = {"authorization": f"Bearer {secret[0]}"}
        async with client(stripe.url, headers) as http:
            assert (await chat(http)).status_code == 200
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await seen.opens("/dashboard/invoices")
        # After a month the session has expired.
        await page.fill("[name=email]", ADDRESS)
        await page.fill("[name=password]", PASSWORD)
        await page.click("button:text-is('Sign in')")
        await page.click("td a:text('MAAS-000001')")
        await page.click("button:text('Pay CN¥30')")
        await page.wait_for_selector("text=Stripe's own page")
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        await stripe.exchanges()
        await seen.opens("/dashboard/invoices")
        await page.wait_for_selector("td:has-text('Paid')")
        assert seen.complaints == []
    assert (await stripe.ours(firm)).status == "paid"
    assert await stripe.differences() == ()


async def _replace_pages_of_stripe(page: Page) -> None:
    """Answer requests for Stripe's pages without a network. By Chromium's own protocol: Playwright
    replaces no address that another redirects to, unless the browser changes processes for it."""
    session = await page.context.new_cdp_session(page)

    async def answer(paused: dict[str, Any]) -> None:
        body = base64.b64encode(b"Stripe's own page").decode()
        headers = [{"name": "content-type", "value": "text/plain"}]
        response = {"responseCode": 200, "responseHeaders": headers, "body": body}
        await session.send("Fetch.fulfillRequest", {"requestId": paused["requestId"], **response})

    session.on("Fetch.requestPaused", answer)
    await session.send(
        "Fetch.enable", {"patterns": [{"urlPattern": "https://invoice.stripe.com/*"}]}
    )


@nightly
async def test_developer_rotates_a_key_under_traffic_without_failed_calls(
    office: Firm, browser: Windows
) -> None:
    gateway = office.gateway
    old = gateway.key.secret
    traffic = Traffic(gateway.url, old)
    running = asyncio.create_task(traffic.run())
    person = looker(gateway.url, gateway.parts, gateway.account.id, Role.DEVELOPER)
    async with person as developer, looked(browser, gateway.url, ENGLISH, developer) as seen:
        page = seen.page
        await traffic.goes_on()
        await seen.opens("/dashboard/keys")
        await page.click("td a")
        await page.click("[popovertarget=rotate]")
        await page.select_option("#overlap", "1")
        await page.click("#rotate button.primary")
        await page.wait_for_selector("h1:text('Copy your API key now')")
        new = _SECRET.search(await page.inner_text("main"))
        assert new is not None
        traffic.secret = new[0]
        await traffic.goes_on()
        await page.click("text=I have copied it")
        await page.click("dd a[href*='/dashboard/keys/']")
        await page.click("[popovertarget=revoke]")
        await page.click("#revoke button.danger")
        await page.wait_for_selector("summary:has-text('Revoked and expired keys (1)')")
        await traffic.goes_on(10)
        assert seen.complaints == []
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert {status for _, status in traffic.statuses} == {200}
    assert {secret for secret, _ in traffic.statuses} == {old, new[0]}
    headers = {"authorization": f"Bearer {old}"}

    async def is_refused() -> bool:
        return (await gateway.http.get("/v1/models", headers=headers)).status_code == 401

    # A revocation takes effect within a second, not with the page that confirms it.
    await until_true(is_refused)


async def test_invoice_page_csv_and_pdf_have_the_same_total(
    stripe: StripeStory, browser: Windows, tmp_path: Path
) -> None:
    firm = await stripe.firm(SEND)
    await stripe.invoiced(firm, rows=1_234_560)
    await stripe.works()
    async with looked(browser, stripe.url, ENGLISH, None) as seen:
        page = seen.page
        await joins(seen, stripe, firm, Role.FINANCE)
        await seen.opens("/dashboard/invoices")
        await page.click("td a:text('MAAS-000001')")
        await page.wait_for_selector("h1")
        shown = await page.inner_text("main")
        table = await file_of(page, "a[href$='lines.csv']", tmp_path / "lines.csv")
        document = await file_of(page, "a[href$='/pdf']", tmp_path / "invoice.pdf")
        assert seen.complaints == []
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    printed = "".join(one.extract_text() for one in PdfReader(io.BytesIO(document)).pages)
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal("1234.56")
    assert (await stripe.ours(firm)).total == 123_456
    assert "1,234.56" in shown
    assert "1234.56" in printed.replace(",", "")
    assert "MAAS-000001" in printed


@nightly
async def test_owner_disputes_an_outcome_settlement(seen: Seen, browser: Windows) -> None:
    gateway = seen.told.gateway
    settlement = await seen.told.settled()
    async with seen.owner() as owner, looked(browser, gateway.url, ENGLISH, owner) as looks:
        page = looks.page
        await looks.opens("/dashboard/outcomes")
        await page.click("a[href*='/outcomes/contracts/']")
        await page.wait_for_url("**/contracts/**")
        assert await looks.faults() == []
        await page.click("a[href*='/outcomes/settlements/']")
        await page.wait_for_url("**/settlements/**")
        assert await looks.faults() == []
        await page.fill("[name=reason]", "It failed by the calendar, not by wear.")
        await page.check("[name=outcome]")
        await page.click("#disputes button:not([type=button])")
        await page.wait_for_selector("text=Awaiting the operator's answer")
        assert "frozen" in await page.inner_text("#disputes")
        assert looks.complaints == []
    (dispute,) = (await seen.told.get("/disputes"))["data"]
    assert dispute["settlement"] == settlement["id"]
    assert dispute["reason"] == "It failed by the calendar, not by wear."


@nightly
async def test_operator_suspends_and_restores_an_account(office: Firm, browser: Windows) -> None:
    gateway = office.gateway
    person = looker(gateway.url, gateway.parts, None, Role.OPERATOR)
    async with person as operator, looked(browser, gateway.url, ENGLISH, operator) as seen:
        page = seen.page
        await seen.opens("/dashboard")
        await page.fill("[name=name]", "acme")
        await page.press("[name=name]", "Enter")
        await page.click("a:text('Acme 精密')")
        for button, state, calls in (("Suspend", "Suspended", False), ("Restore", "Active", True)):
            await page.click(f"a:text-is('{button}')")
            await page.click(f"button:text-is('{button}')")
            assert await page.locator("[aria-invalid=true], :invalid").count() > 0
            await page.fill("[name=reason]", "They asked for it by telephone.")
            await page.click(f"button:text-is('{button}')")
            await page.wait_for_selector(f"dd :text-is('{state}')")
            await gateway.caught_up()
            answer = await gateway.chat("may I?")
            assert (answer.status_code == 200) == calls, answer.text
        said = await page.inner_text("main")
        assert "Suspended the account" in said
        assert "Restored the account" in said
        assert seen.complaints == []
    assert ids.format_id("acct", gateway.account.id) in page.url
