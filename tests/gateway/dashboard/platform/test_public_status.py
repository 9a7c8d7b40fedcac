"""The public status: page and JSON without sign-in, cached, limited, without any account's data."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.identity.roles import Role
from gateway.incidents.board import MAX_AGE_S, StatusBoard
from infra.clock import SystemClock
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import Looker, looker, words

PAGE, SUMMARY, INCIDENTS = "/status", "/v1/status", "/v1/status/incidents"
FORM = {
    "title_en": "Slow answers <b>",
    "title_zh": "响应变慢",
    "text_en": "We are looking.",
    "text_zh": "正在排查。",
    "impact": "major",
    "models": "llm",
}


@pytest.fixture
async def operator(shared_firm: Firm) -> AsyncIterator[Looker]:
    gateway = shared_firm.gateway
    async with looker(gateway.url, gateway.parts, None, Role.OPERATOR) as one:
        yield one


class Stopwatch(SystemClock):
    """The machine's dates, with durations that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
async def anybody(shared_firm: Firm, stopwatch: Stopwatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client without session or key, of a gateway that has read no incident yet."""
    parts = shared_firm.gateway.parts
    usual, board = parts.status_board, StatusBoard(parts.database, stopwatch)
    object.__setattr__(parts, "status_board", board)
    async with httpx.AsyncClient(base_url=shared_firm.gateway.url) as client:
        yield client
    object.__setattr__(parts, "status_board", usual)


async def test_incident_is_public_in_both_languages(
    operator: Looker, anybody: httpx.AsyncClient, stopwatch: Stopwatch
) -> None:
    calm = await anybody.get(PAGE)
    assert "All systems operational" in words(calm.text)
    assert calm.headers["cache-control"] == f"public, max-age={MAX_AGE_S}"
    assert "set-cookie" not in calm.headers
    opened = await operator.send("/dashboard/platform/incidents", **FORM)
    # What was read is kept for some seconds.
    assert "All systems operational" in words((await anybody.get(PAGE)).text)
    stopwatch.seconds += MAX_AGE_S
    english, chinese = [
        words((await anybody.get(PAGE, params={"lang": one})).text) for one in ("en", "zh")
    ]
    assert "Major disturbance" in english
    assert "We are looking." in english
    assert "较大故障 响应变慢 排查中" in chinese
    assert "&lt;b&gt;" in (await anybody.get(PAGE)).text
    found = (await anybody.get(SUMMARY, headers={"accept-language": "zh-CN,en;q=0.5"})).json()
    assert found["status"] == {"indicator": "major", "description": "较大故障"}
    assert found["incidents"][0]["incident_updates"][0]["body"] == "正在排查。"
    await operator.send(opened.headers["location"], status="resolved", text_en="Fixed.")
    stopwatch.seconds += MAX_AGE_S
    answer = await anybody.get(INCIDENTS, params={"lang": "en"})
    assert answer.json()["incidents"][0]["status"] == "resolved"
    assert answer.headers["content-language"] == "en"
    assert (await anybody.get(SUMMARY)).json()["incidents"] == []
    assert "Resolved in the last 14 days Slow answers" in words((await anybody.get(PAGE)).text)


async def test_status_shows_signed_in_people_nothing_of_their_account(shared_firm: Firm) -> None:
    page = (await shared_firm.owner.http.get(PAGE)).text
    assert shared_firm.gateway.account.name not in words(page)
    assert 'name="csrf"' not in page


async def test_sign_in_page_links_to_the_status(anybody: httpx.AsyncClient) -> None:
    page = (await anybody.get("/dashboard/sign-in")).text
    assert 'href="/status?lang=en"' in page


async def test_unknown_language_shows_that_of_the_browser(anybody: httpx.AsyncClient) -> None:
    answer = await anybody.get(PAGE, params={"lang": "<x>"}, headers={"accept-language": "zh"})
    assert 'lang="zh-CN"' in answer.text


async def test_reader_without_pause_is_limited(anybody: httpx.AsyncClient) -> None:
    for path in (PAGE, SUMMARY) * 5:
        assert (await anybody.get(path)).status_code == 200
    limited, refused = await anybody.get(PAGE), await anybody.get(INCIDENTS)
    assert (limited.status_code, refused.status_code) == (429, 429)
    assert refused.json()["error"]["code"] == "status_rate_limited"
    assert limited.headers["retry-after"] == "1"
    assert "Too many requests" in words(limited.text)
