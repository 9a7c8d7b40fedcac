"""Incidents on the pages: operators open and resolve one, customers read it in their language."""

from collections.abc import AsyncIterator

import pytest

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words

URL, STATUS = "/dashboard/platform/incidents", "/dashboard/status"
FORM = {
    "title_en": "Slow answers <b>",
    "title_zh": "响应变慢",
    "text_en": "We are looking.",
    "impact": "major",
    "models": "llm, vib",
}


@pytest.fixture
async def operator(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


@pytest.fixture
async def chinese(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    account = gateway.account.id
    async with looker(gateway.url, gateway.parts, account, language="zh-CN") as one:
        yield one


async def test_incident_is_opened_read_by_customers_and_resolved(
    shared_firm: Firm, operator: Looker, chinese: Looker
) -> None:
    assert "No incidents" in words(await shared_firm.owner.page(STATUS))
    wrong = await operator.send(URL, **{**FORM, "title_en": "", "title_zh": " "})
    assert wrong.status_code == 422
    assert "Enter a title of one line" in words(wrong.text)
    opened = await operator.send(URL, **FORM)
    address = opened.headers["location"]
    shown = await operator.page(address)
    assert "<b>" not in shown
    assert "llm, vib" in words(shown)
    page = words(await shared_firm.owner.page(STATUS))
    assert "Slow answers" in page
    assert "Investigating Major" in page
    page = words(await chinese.page(STATUS))
    assert "响应变慢 排查中 较大" in page
    assert "平台故障：响应变慢" in words(await chinese.page("/dashboard"))
    assert (await operator.send(address, status="x", text_en="a")).status_code == 422
    done = await operator.send(address, status="resolved", text_en="Fixed.")
    assert done.headers["location"] == address
    late = await operator.send(address, status="monitoring", text_en="Again")
    assert (late.status_code, "This incident is resolved" in words(late.text)) == (422, True)
    page = words(await shared_firm.owner.page(STATUS))
    assert "No incidents" in page
    assert "Resolved in the last 14 days Slow answers" in page
    assert "incident" not in words(await shared_firm.owner.page("/dashboard"))
    assert "Slow answers" in words(await operator.page(URL))


async def test_unknown_incident_and_foreign_people_are_refused(
    shared_firm: Firm, operator: Looker
) -> None:
    for name in ("incident_x", f"incident_{'0' * 32}"):
        await operator.page(f"{URL}/{name}", status=404)
        assert (await operator.send(f"{URL}/{name}", status="resolved")).status_code == 404
    for address in (URL, f"{URL}/incident_x"):
        assert (await shared_firm.owner.http.get(address)).status_code in (403, 404)
    assert (await shared_firm.owner.send(URL, **FORM)).status_code in (403, 404)
