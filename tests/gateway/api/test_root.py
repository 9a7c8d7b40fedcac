"""`GET /`: a browser is led to a page for people, a program is told what this service is."""

from pathlib import Path

import httpx
import pytest

from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class TestWithoutDashboard:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_a_browser_is_sent_to_the_reference(self, gateway: Gateway, method: str) -> None:
        answer = await gateway.http.request(method, "/", headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/docs")

    async def test_a_program_gets_name_version_and_addresses(self, gateway: Gateway) -> None:
        answer = await gateway.http.get("/")
        assert answer.status_code == 200
        told = answer.json()
        assert told.keys() == {"name", "version", "docs", "openapi", "health"}
        for name in ("docs", "openapi"):
            assert (await gateway.http.get(told[name])).status_code == 200
        assert (await gateway.http.get(told["health"])).status_code == 200

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
    async def test_who_does_not_ask_for_html_gets_json(self, gateway: Gateway, accept: str) -> None:
        answer = await gateway.http.get("/", headers={"accept": accept})
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["vary"].lower() == "accept"

    async def test_head_has_the_headers_of_get_and_no_body(self, gateway: Gateway) -> None:
        head, get = [await gateway.http.request(method, "/") for method in ("HEAD", "GET")]
        assert head.status_code == get.status_code == 200
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.content == b""

    async def test_another_method_is_refused_in_the_documented_shape(
        self, gateway: Gateway
    ) -> None:
        answer = await gateway.http.post("/", json={})
        assert answer.status_code == 405
        assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("host", ["evil.example", "a:b"])
async def test_the_redirect_names_no_host(gateway: Gateway, host: str) -> None:
    answer = await gateway.http.get("/", headers={**BROWSER, "host": host})
    assert answer.headers.get("location", "/docs") == "/docs"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_with_a_dashboard_a_browser_comes_to_signing_in(
    database_url: str, tmp_path: Path, upstream: FakeUpstream, method: str
) -> None:
    configured = builders.settings(database_url, tmp_path, upstream.url, dashboard=True)
    async with run_gateway(configured) as gateway, httpx.AsyncClient(base_url=gateway.url) as http:
        answer = await http.request(method, "/", headers=BROWSER)
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
        shown = await http.get("/", headers=BROWSER, follow_redirects=True)
        assert shown.status_code == 200
        assert shown.url.path == "/dashboard/sign-in"
