"""Notification endpoints of a gateway's account, through the API."""

from tests.support.builders import Gateway

_PATH = "/v1/notification_endpoints"


async def add_endpoint(gateway: Gateway) -> str:
    """Create an endpoint whose host has no address; returns its id."""
    body = {"kind": "webhook", "address": "https://hook.invalid.example/"}
    answer = await gateway.http.post(_PATH, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def add_delivery(gateway: Gateway, endpoint: str) -> str:
    """Send a test message to an endpoint; returns the id of its delivery."""
    await gateway.http.post(f"{_PATH}/{endpoint}/test")
    deliveries = await gateway.http.get(f"/v1/notification_deliveries?endpoint={endpoint}")
    return str(deliveries.json()["data"][0]["id"])
