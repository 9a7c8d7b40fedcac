"""`/v1/alerts` over a real socket."""

from typing import Any

import httpx
import pytest

from tests.support.builders import Gateway, customer

HOOK = "https://acme.example/hook"


async def change(gateway: Gateway, **body: Any) -> httpx.Response:
    return await gateway.http.post("/v1/alerts", json=body)


async def test_webhook_is_set_shows_its_secret_once_and_is_removed(gateway: Gateway) -> None:
    assert (await gateway.http.get("/v1/alerts")).json()["url"] is None
    made = (await change(gateway, url=HOOK, percentages=[90, 60])).json()
    assert (made["url"], made["percentages"]) == (HOOK, [60, 90])
    assert made["secret"].startswith("whsec_")
    assert "secret" not in (await gateway.http.get("/v1/alerts")).json()
    assert "secret" not in (await change(gateway, url=HOOK)).json()
    assert (await change(gateway)).json()["url"] == HOOK
    ended = (await change(gateway, url=None)).json()
    assert (ended["url"], ended["percentages"]) == (None, [60, 90])


async def test_alert_webhook_is_not_visible_to_another_account(gateway: Gateway) -> None:
    await change(gateway, url=HOOK)
    _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
    headers = {"authorization": f"Bearer {key.secret}"}
    other = await gateway.http.get("/v1/alerts", headers=headers)
    assert other.json()["url"] is None


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"url": "acme.example"}, "alert_target_invalid", "url"),
        ({"url": "https://10.0.0.1/"}, "alert_target_invalid", "url"),
        ({"url": "https://mes.local/"}, "alert_target_invalid", "url"),
        ({"url": "https://missing.example/"}, "alert_target_invalid", "url"),
        ({"url": "https://inside.example/"}, "alert_target_invalid", "url"),
        ({"url": "https://li:x@acme.example/"}, "alert_target_invalid", "url"),
        ({"percentages": []}, "alert_target_invalid", "percentages"),
        ({"percentages": ["50"]}, "invalid_value", "percentages[0]"),
        ({"percentages": [True]}, "invalid_value", "percentages[0]"),
        ({"percentages": None}, "invalid_value", "percentages"),
        ({"url": 7}, "invalid_value", "url"),
        ({"webhook": HOOK}, "invalid_value", "webhook"),
    ],
)
async def test_invalid_alert_setting_is_rejected_with_400(
    gateway: Gateway, body: dict[str, Any], code: str, param: str
) -> None:
    answer = await change(gateway, **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_webhook_url_is_accepted_with_a_warning_when_dns_does_not_answer(
    gateway: Gateway,
) -> None:
    url = "https://away.example/hook"
    answer = await change(gateway, url=url)
    made = answer.json()
    assert (answer.status_code, made["url"]) == (200, url)
    assert made["secret"].startswith("whsec_")
    assert made["warning"].startswith("DNS did not answer, so the host name was not checked.")
    assert "warning" not in (await gateway.http.get("/v1/alerts")).json()
    assert "warning" not in (await change(gateway, url=HOOK)).json()


async def test_openapi_document_describes_the_alert_warning(gateway: Gateway) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    assert "`warning`" in document["paths"]["/v1/alerts"]["post"]["description"]


async def test_alerts_without_an_api_key_return_401(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        for method in ("get", "post"):
            assert (await http.request(method, "/v1/alerts")).status_code == 401


async def test_alert_test_event_returns_its_delivery_result(gateway: Gateway) -> None:
    nobody = await gateway.http.post("/v1/alerts/test")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (409, "nobody_to_tell")
    await change(gateway, url="https://hook.invalid.example/")
    tested = (await gateway.http.post("/v1/alerts/test")).json()
    assert (tested["object"], tested["email_queued"]) == ("alert_test", False)
    assert tested["webhook"]["delivered"] is False
    assert tested["webhook"]["error"] == "The host name cannot be resolved by DNS."
    again = await gateway.http.post("/v1/alerts/test")
    assert (again.status_code, again.json()["error"]["code"]) == (429, "alert_test_too_soon")
