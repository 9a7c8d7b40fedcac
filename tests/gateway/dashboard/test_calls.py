"""The call list filtered by error, as page and CSV, and the page of a rejected call."""

from collections.abc import AsyncIterator

import pytest

from billing.metering.error_fixes import FIXES_BY_ERROR_CODE
from tests.gateway.dashboard.listed_calls import LIST, codes, file_of
from tests.gateway.dashboard.widths import too_wide
from tests.support.builders import Gateway
from tests.support.clocks import ShiftedClock
from tests.support.dashboard.browsing import NEEDS_BROWSER, Windows, looked
from tests.support.dashboard.firm import Firm, looked_at
from tests.support.dashboard.looking import words
from tests.support.nightly import nightly

ZH = {"accept-language": "zh-CN"}


@pytest.fixture(scope="module")
async def failing(shared_gateway: Gateway, shared_clock: ShiftedClock) -> AsyncIterator[Firm]:
    """One successful call, one to an unknown model and one with an invalid value; shared by all
    tests of this module, which only read."""
    await shared_gateway.chat("hi")
    await shared_gateway.chat("hi", model="gpt-4o")
    await shared_gateway.chat("hi", temperature=3)
    await shared_gateway.rows(3)  # rows of rejected calls are written after their responses
    async with looked_at(shared_gateway, shared_clock) as firm:
        yield firm


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
async def test_call_list_and_csv_are_filtered_by_error(
    failing: Firm, query: str, expected: set[str]
) -> None:
    page = await failing.owner.page(LIST + query)
    assert set(codes(page)) == expected - {""}
    found = await file_of(failing.owner, page)
    assert {row["error_code"] for row in found} == expected
    assert ("No matching calls" in page) == (not expected)


async def test_csv_has_no_calls_of_another_account(failing: Firm) -> None:
    page = await failing.stranger.page(f"{LIST}?error=any")
    assert await file_of(failing.stranger, page) == []


async def test_csv_has_the_suggested_fix_in_the_language_of_the_account(failing: Firm) -> None:
    (row,) = await file_of(failing.owner, await failing.owner.page(f"{LIST}?error=model_not_found"))
    fix = FIXES_BY_ERROR_CODE["model_not_found"]
    assert row["suggested_fix"] in (fix.en, fix.text("zh"))


async def test_usage_api_filters_by_error_code(failing: Firm) -> None:
    http = failing.gateway.http
    found = (await http.get("/v1/usage?error_code=model_not_found")).json()["data"]
    assert [row["error_code"] for row in found] == ["model_not_found"]
    assert len((await http.get("/v1/usage?error_code=any")).json()["data"]) == 2
    wrong = await http.get("/v1/usage?error_code=No%20code")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "error_code")


async def refused_call(firm: Firm, code: str) -> str:
    rows = (await firm.gateway.http.get(f"/v1/usage?error_code={code}")).json()["data"]
    return f"{LIST}/{rows[0]['request_id']}"


async def test_page_of_rejected_call_shows_message_param_model_and_fix(
    failing: Firm,
) -> None:
    fix = FIXES_BY_ERROR_CODE["model_not_found"]
    # Names in backticks are shown as code.
    english_fix, chinese_fix = (
        " ".join(of.replace("`", " ").split()) for of in (fix.en, fix.text("zh"))
    )
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


async def test_page_of_successful_call_shows_no_error(failing: Firm) -> None:
    rows = (await failing.gateway.http.get("/v1/usage")).json()["data"]
    address = next(f"{LIST}/{row['request_id']}" for row in rows if row["status"] == 200)
    said = words(await failing.owner.page(address))
    for title in ("Error message", "Requested model", "Suggested fix"):
        assert title not in said


@pytest.mark.browser
@pytest.mark.skipif(*NEEDS_BROWSER[1].args, **NEEDS_BROWSER[1].kwargs)
@pytest.mark.parametrize("language", [pytest.param("en-US", marks=nightly), "zh-CN"])
async def test_call_list_and_rejected_call_fit_a_phone_and_pass_axe(
    failing: Firm, browser: Windows, language: str
) -> None:
    call = await refused_call(failing, "model_not_found")
    pages = [LIST, f"{LIST}?error=model_not_found", f"{LIST}?error=model_failed", call]
    who, url = failing.owner, failing.gateway.url
    async with looked(browser, url, (language, "light", 390), who) as seen:
        for page in pages:
            await seen.opens(page)
            assert await too_wide(seen) == []
            assert await seen.faults() == []
