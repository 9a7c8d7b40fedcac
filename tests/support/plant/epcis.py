"""EPCIS events for tests, and GS1's examples where they are beside the repository."""

from typing import Any

from tests.support.builders import Gateway

TIME = "2026-11-{day:02d}T08:{minute:02d}:00.000Z"


def event(kind: str, day: int = 1, minute: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an event with the fields that all types need."""
    action = {} if kind == "TransformationEvent" else {"action": "OBSERVE"}
    return {
        "type": kind,
        "eventTime": TIME.format(day=day, minute=minute),
        "eventTimeZoneOffset": "+08:00",
        **action,
        **fields,
    }


def document(*events: Any, **fields: Any) -> dict[str, Any]:
    """Return an EPCISDocument of the events."""
    return {
        "@context": [
            "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
            {"maas": "urn:maas:epcis:"},
        ],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-30T08:00:00Z",
        "epcisBody": {"eventList": list(events)},
        **fields,
    }


def made(*inputs: str, into: str, day: int = 1, minute: int = 0) -> dict[str, Any]:
    """Return a transformation of inputs into one output."""
    return event(
        "TransformationEvent", day, minute, inputEPCList=list(inputs), outputEPCList=[into]
    )


def item(name: str) -> str:
    """Return the EPC of an item."""
    return f"urn:maas:test:{name}"


async def add_event_subscription(gateway: Gateway) -> dict[str, str]:
    """Subscribe a webhook to a query; returns both names, as parameters of paths."""
    path = "/v1/plant/epcis/queries"
    await gateway.http.post(path, json={"name": "own-query", "query": {}})
    sent = {"dest": "https://8.8.8.8/epcis", "stream": True}
    made = await gateway.http.post(f"{path}/own-query/subscriptions", json=sent)
    return {"event_query": "own-query", "event_subscription": made.json()["subscriptionID"]}
