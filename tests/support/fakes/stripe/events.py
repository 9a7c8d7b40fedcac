"""Events and webhook endpoints.

Sending is in `deliveries`.
"""

from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, merged, or_none, page
from tests.support.fakes.stripe.refusals import invalid
from tests.support.fakes.stripe.routing import PAGE, Route


def retrieve(account: Account, call: Call) -> Obj:
    return account.get("event", call.id, "id", 404)


def list_all(account: Account, call: Call) -> Obj:
    found, params = account.all("event"), call.params
    types: list[str] = [params["type"]] if "type" in params else params.get("types", [])
    if types:
        found = [each for each in found if any(_matches(each["type"], name) for name in types)]
    return page(account, call, found)


def wants(endpoint: Obj, event: Obj) -> bool:
    """Whether the endpoint receives the event."""
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event["type"] in enabled)


def create_endpoint(account: Account, call: Call) -> Obj:
    """Create an endpoint; only this response has the secret."""
    params = call.params
    _check_url(params["url"])
    endpoint = account.add(
        {
            "id": account.new_id("we_"),
            "object": "webhook_endpoint",
            "api_version": params.get("api_version"),
            "application": None,
            "created": account.now(),
            "description": or_none(params.get("description")),
            "enabled_events": params["enabled_events"],
            "livemode": False,
            "metadata": merged({}, params.get("metadata")),
            "status": "enabled",
            "url": params["url"],
        }
    )
    secret = account.new_id("whsec_", 32)
    account.private.secrets[endpoint["id"]] = secret
    return {**endpoint, "secret": secret}


def retrieve_endpoint(account: Account, call: Call) -> Obj:
    return account.get("webhook_endpoint", call.id, "webhook_endpoint", 404)


def update_endpoint(account: Account, call: Call) -> Obj:
    endpoint, params = retrieve_endpoint(account, call), call.params
    if "url" in params:
        _check_url(params["url"])
    changed: dict[str, Any] = {k: params[k] for k in ("url", "enabled_events") if k in params}
    if "description" in params:
        changed["description"] = or_none(params["description"])
    if "disabled" in params:
        changed["status"] = "disabled" if params["disabled"] else "enabled"
    endpoint |= changed
    endpoint["metadata"] = merged(endpoint["metadata"], params.get("metadata"))
    return endpoint


def list_endpoints(account: Account, call: Call) -> Obj:
    return page(account, call, account.all("webhook_endpoint"))


def delete_endpoint(account: Account, call: Call) -> Obj:
    return account.remove(retrieve_endpoint(account, call))


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise invalid(message, "url_invalid", "url")


def _matches(name: str, pattern: str) -> bool:
    """Whether an event type matches; `invoice.*` matches all events of an object."""
    return name == pattern or (pattern.endswith(".*") and name.startswith(pattern[:-1]))


ROUTES = (
    Route("GET", "/v1/events", list_all, of.EventListParams, PAGE + "type types"),
    Route("GET", "/v1/events/{id}", retrieve, of.EventRetrieveParams),
    Route(
        "POST",
        "/v1/webhook_endpoints",
        create_endpoint,
        of.WebhookEndpointCreateParams,
        "api_version description enabled_events metadata url",
    ),
    Route(
        "GET",
        "/v1/webhook_endpoints",
        list_endpoints,
        of.WebhookEndpointListParams,
        PAGE,
    ),
    Route(
        "GET",
        "/v1/webhook_endpoints/{id}",
        retrieve_endpoint,
        of.WebhookEndpointRetrieveParams,
    ),
    Route(
        "POST",
        "/v1/webhook_endpoints/{id}",
        update_endpoint,
        of.WebhookEndpointUpdateParams,
        "description disabled enabled_events metadata url",
    ),
    Route(
        "DELETE",
        "/v1/webhook_endpoints/{id}",
        delete_endpoint,
        of.WebhookEndpointDeleteParams,
    ),
)
