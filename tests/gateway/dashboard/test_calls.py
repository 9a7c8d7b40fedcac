"""The list of calls by error, as page and CSV; and what the page of a refused call tells."""

import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from playwright.async_api import Browser

from billing.metering.error_fixes import FIXES
from tests.gateway.dashboard.widths import wider
from tests.support.builders import PLENTY, Limited
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.browsing import NEEDS_BROWSER, looked
from tests.support.dashboard.firm import Firm, looked_at
from tests.support.dashboard.looking import Looker, words

LIST = "/dashboard/usage/calls"
ZH = {"accept-language": "zh-CN"}


@pytest.fixture
async def failing(limited: Limited) -> AsyncIterator[Firm]:
    """One call that succeeded, one for an unknown model and one with a wrong value."""
    clock = ShiftedClock()
    async with limited(PLENTY, clock=clock) as gateway:
        await gateway.chat("hi")
        await gateway.chat("hi", model="gpt-4o")
        await gateway.chat("hi", temperature=3)
        async with looked_at(gateway, clock) as firm:
            yield firm


def codes(page: str) -> list[str]:
    """The error codes of the listed calls."""
    return re.findall(r"<code>(\w+)</code></a>", page)


async def file_of(who: Looker, page: str) -> list[dict[str, str]]:
    """The calls of the CSV file that a page links to."""
    link = re.search(r'href="(/dashboard/usage/calls/all\.csv[^"]*)"', page)
    assert link is not None
    answer = await who.http.get(unescape(link[1]))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"", "model_not_found", "invalid_value"}),
        ("?error=any", {"model_not_found", "invalid_value"}),
        ("?error=model_not_found", {"model_not_found"}),
        ("?error=model_failed", set()),
        ("?error=a_models_own_code", set()),
        ("?error=No%20code", {"", "model_not_found", "invalid_value"}),
        ("?period=nonsense&error=model_not_found", {"model_not_found"}),
    ],
)
async def test_list_and_csv_have_the_calls_with_the_chosen_error(
    failing: Firm, query: str, expected: set[str]
) -> None:
    page = await failing.owner.page(LIST + query)
    assert set(codes(page)) == expected - {""}
    found = await file_of(failing.owner, page)
    assert {row["error_code"] for row in found} == expected
    assert ("No calls with these filters" in page) == (not expected)


async def test_period_and_error_are_kept_in_the_csv(firm: Firm) -> None:
    await firm.gateway.chat("hi", model="gpt-4o")
    page = await firm.owner.page(LIST)
    now, before = re.findall(r'option value="(\d{4}-\d\d-\d\d)"', page)[:2]
    for query, count in [
        (f"period={now}", 2),
        (f"period={before}", 3),
        (f"period={now}&error=any", 1),
        (f"period={before}&error=any", 0),
    ]:
        page = await firm.owner.page(f"{LIST}?{query}")
        assert page.count(f"{LIST}/req_") == count
        assert len(await file_of(firm.owner, page)) == count


async def test_the_pager_keeps_the_filter(failing: Firm) -> None:
    for _ in range(50):
        await failing.gateway.chat("hi", model="gpt-4o")
    page = await failing.owner.page(f"{LIST}?error=model_not_found")
    older = re.search(rf'href="({LIST}\?error=model_not_found&amp;before=req_\w+)"', page)
    assert older is not None
    rest = await failing.owner.page(unescape(older[1]))
    assert codes(rest) == ["model_not_found"]
    assert f'href="{LIST}?error=model_not_found"' in rest
    assert len(await file_of(failing.owner, rest)) == 51


async def test_another_accounts_calls_are_not_in_the_file(failing: Firm) -> None:
    page = await failing.stranger.page(f"{LIST}?error=any")
    assert await file_of(failing.stranger, page) == []


async def test_the_csv_has_the_fix_in_the_accounts_language(failing: Firm) -> None:
    (row,) = await file_of(failing.owner, await failing.owner.page(f"{LIST}?error=model_not_found"))
    fix = FIXES["model_not_found"]
    assert row["suggested_fix"] in (fix.en, fix.zh)


async def test_the_api_filters_by_error_code(failing: Firm) -> None:
    http = failing.gateway.http
    found = (await http.get("/v1/usage?error_code=model_not_found")).json()["data"]
    assert [row["error_code"] for row in found] == ["model_not_found"]
    assert len((await http.get("/v1/usage?error_code=any")).json()["data"]) == 2
    wrong = await http.get("/v1/usage?error_code=No%20code")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "error_code")


async def refused_call(firm: Firm, code: str) -> str:
    rows = (await firm.gateway.http.get(f"/v1/usage?error_code={code}")).json()["data"]
    return f"{LIST}/{rows[0]['request_id']}"


async def test_the_page_of_a_refused_call_tells_message_param_model_and_fix(
    failing: Firm,
) -> None:
    fix = FIXES["model_not_found"]
    # Names in backticks are shown as code.
    english_fix, chinese_fix = (" ".join(of.replace("`", " ").split()) for of in (fix.en, fix.zh))
    address = await refused_call(failing, "model_not_found")
    english = words(await failing.owner.page(address))
    for said in ("The model 'gpt-4o' does not exist.", "param: model"):
        assert said in english
    assert "Requested model gpt-4o" in english
    assert f"Suggested fix {english_fix}" in english
    chinese = words(await failing.owner.page(address, **ZH))
    assert "错误信息 The model 'gpt-4o' does not exist." in chinese
    assert "请求的模型 gpt-4o" in chinese
    assert f"处理建议 {chinese_fix}" in chinese


async def test_the_page_of_a_successful_call_tells_no_error(failing: Firm) -> None:
    rows = (await failing.gateway.http.get("/v1/usage")).json()["data"]
    address = next(f"{LIST}/{row['request_id']}" for row in rows if row["status"] == 200)
    said = words(await failing.owner.page(address))
    for title in ("Error message", "Requested model", "Suggested fix"):
        assert title not in said


@pytest.mark.browser
@pytest.mark.skipif(*NEEDS_BROWSER[1].args, **NEEDS_BROWSER[1].kwargs)
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
async def test_list_and_refused_call_fit_a_phone_and_pass_axe(
    failing: Firm, browser: Browser, language: str
) -> None:
    call = await refused_call(failing, "model_not_found")
    pages = [LIST, f"{LIST}?error=model_not_found", f"{LIST}?error=model_failed", call]
    who, url = failing.owner, failing.gateway.url
    async with looked(browser, url, (language, "light", 390), who) as seen:
        assert await wider(seen, pages) == {}
        for page in pages:
            await seen.opens(page)
            assert await seen.faults() == []
