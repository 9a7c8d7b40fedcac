"""`GET /`: browsers are redirected to a page, programs get JSON that describes the service."""

from pathlib import Path

import httpx
import pytest

from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.waiting import until_true

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class TestRootWithoutDashboard:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_browser_is_redirected_to_the_api_reference(
        self, gateway: Gateway, method: str
    ) -> None:
        answer = await gateway.http.request(method, "/", headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/docs")

    async def test_program_gets_name_version_and_links(self, gateway: Gateway) -> None:
        answer = await gateway.http.get("/")
        assert answer.status_code == 200
        told = answer.json()
        assert told.keys() == {"name", "version", "docs", "openapi", "health"}
        for name in ("docs", "openapi"):
            assert (await gateway.http.get(told[name])).status_code == 200

        async def is_ready() -> bool:
            return (await gateway.http.get(told["health"])).status_code == 200

        # On a busy machine the document above takes longer than changes of keys may be unread.
        await until_true(is_ready)

    @pytest.mark.parametrize(
        "accept",
        [
            "application/json",
            "*/*",
            "text/html;q=0",
            "text/html;q=x",
            "application/json, text/html;q=0.5",
            "",
        ],
    )
    async def test_accept_header_without_html_preference_gets_json(
        self, gateway: Gateway, accept: str
    ) -> None:
        answer = await gateway.http.get("/", headers={"accept": accept})
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["vary"].lower() == "accept"

    async def test_head_has_the_headers_of_get_and_no_body(self, gateway: Gateway) -> None:
        head, get = [await gateway.http.request(method, "/") for method in ("HEAD", "GET")]
        assert head.status_code == get.status_code == 200
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.content == b""

    async def test_method_other_than_get_or_head_returns_405(self, gateway: Gateway) -> None:
        answer = await gateway.http.post("/", json={})
        assert answer.status_code == 405
        assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("host", ["evil.example", "a:b"])
async def test_root_redirect_is_relative_for_any_host_header(gateway: Gateway, host: str) -> None:
    answer = await gateway.http.get("/", headers={**BROWSER, "host": host})
    assert answer.headers.get("location", "/docs") == "/docs"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_root_with_dashboard_redirects_browser_to_sign_in(
    database_url: str, tmp_path: Path, upstream: FakeUpstream, method: str
) -> None:
    configured = builders.settings(database_url, tmp_path, upstream.url, dashboard=True)
    async with run_gateway(configured) as gateway, httpx.AsyncClient(base_url=gateway.url) as http:
        answer = await http.request(method, "/", headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
        shown = await http.get("/", headers=BROWSER, follow_redirects=True)
        assert shown.status_code == 200
        assert shown.url.path == "/dashboard/sign-in"
