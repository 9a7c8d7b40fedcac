"""Permissions of keys and other accounts' ids, for every endpoint of the plant."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gateway.access.key_permissions import (
    KeyPermission,
    KeyPermissionInvalid,
    needed_permission,
    parse_permissions,
)
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.customer_keys import NewKey, create_customer_key
from infra.secrets.secret_key import secret_key
from tests.support.builders import NO_TLS, SPECIALIST, Gateway, customer
from tests.support.plant.epcis import event, item
from tests.support.plant.routes import PLANT, plant_routes

P = KeyPermission
# Permission of each group of endpoints by method and start of the path; the longest start counts.
NEEDED: Mapping[tuple[str, str], KeyPermission] = {
    ("GET", f"{PLANT}/"): P.PLANT_READ,
    ("POST", f"{PLANT}/assets"): P.PLANT_WRITE,
    ("DELETE", f"{PLANT}/assets"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/points"): P.PLANT_WRITE,
    ("DELETE", f"{PLANT}/points"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/mappings"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/entities"): P.PLANT_WRITE,
    ("DELETE", f"{PLANT}/entities"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/relations"): P.PLANT_WRITE,
    ("DELETE", f"{PLANT}/relations"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/imports"): P.PLANT_WRITE,
    ("PUT", f"{PLANT}/readings/settings"): P.PLANT_WRITE,
    ("PUT", f"{PLANT}/alignment"): P.PLANT_WRITE,
    ("DELETE", f"{PLANT}/alignment"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/comparisons"): P.PLANT_WRITE,
    ("DELETE", f"{PLANT}/comparisons"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/models"): P.PLANT_WRITE,
    ("POST", f"{PLANT}/questions"): P.PLANT_READ,
    ("POST", f"{PLANT}/sparql"): P.PLANT_READ,
    ("POST", f"{PLANT}/readings"): P.READINGS_WRITE,
    ("GET", f"{PLANT}/epcis"): P.EPCIS,
    ("POST", f"{PLANT}/epcis"): P.EPCIS,
    ("DELETE", f"{PLANT}/epcis"): P.EPCIS,
    ("GET", f"{PLANT}/trace"): P.EPCIS,
    ("GET", f"{PLANT}/identifiers"): P.IDENTIFIERS,
    ("POST", f"{PLANT}/identifiers"): P.IDENTIFIERS,
    ("POST", f"{PLANT}/commands"): P.COMMANDS,
    ("POST", f"{PLANT}/work-orders"): P.PLANT_WRITE,
}


def needed(method: str, path: str) -> KeyPermission | None:
    starts = [start for one, start in NEEDED if one == method and path.startswith(start)]
    return NEEDED[method, max(starts, key=len)] if starts else None


class TestNeededPermission:
    @pytest.mark.parametrize(("method", "path"), sorted(set(plant_routes())))
    def test_each_endpoint_needs_the_permission_of_the_table(self, method: str, path: str) -> None:
        assert needed_permission(method, path) is needed(method, path)

    @pytest.mark.parametrize(
        ("method", "path", "permission"),
        [
            ("POST", "/v1/chat/completions", P.CALLS),
            ("GET", "/v1/plants", P.CALLS),
            ("GET", "//v1///plant//assets/", P.PLANT_READ),
            ("PATCH", "/v1/plant/anything-new", P.PLANT_WRITE),
            ("POST", "/v1/plant/epcisx", P.PLANT_WRITE),
            ("HEAD", "/v1/plant/export", P.PLANT_READ),
        ],
    )
    def test_other_paths(self, method: str, path: str, permission: KeyPermission) -> None:
        assert needed_permission(method, path) is permission

    def test_names_are_ordered_and_unknown_ones_rejected(self) -> None:
        assert parse_permissions(["epcis", "plant:read"]) == ["plant:read", "epcis"]
        assert parse_permissions([]) is None
        with pytest.raises(KeyPermissionInvalid):
            parse_permissions(["root"])


_PARAMETERS = (
    *("asset", "point", "entity", "relation", "plant_import", "capture", "event"),
    *("shell", "submodel", "element", "name", "subscription", "resource", "model"),
    *("plant_comparison", "order"),
)
# Required parameters: without them a request is refused before its key is looked at.
_QUERIES = {
    f"{PLANT}/sparql": {"query": "ASK {}"},
    f"{PLANT}/readings": {"points": "none"},
    f"{PLANT}/trace": {"item": "none"},
    f"{PLANT}/identifiers/record": {"id": "none"},
    f"{PLANT}/models/none/inputs/preview": {"asset": "none"},
    f"{PLANT}/export": {"format": "csv"},
    f"{PLANT}/aas/api/v3.0/serialization": {"aasIds": "none"},
}


@asynccontextmanager
async def client(gateway: Gateway, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, verify=NO_TLS) as http:
        yield http


async def restricted(gateway: Gateway, *permissions: str) -> str:
    """Create a key with some permissions and return its secret."""
    parts = gateway.parts
    async with parts.database.transaction() as session:
        pepper = secret_key(parts.settings)
        new = NewKey("restricted", permissions=permissions)
        owner = gateway.account.id
        place = (session, parts.clock, pepper, CLI_ACTOR, owner, new)
        return (await create_customer_key(*place)).secret


def filled(path: str, names: Mapping[str, str]) -> str:
    """Return a path with the given names in place of its parameters."""
    for name, value in names.items():
        path = path.replace(f"{{{name}:str}}", value).replace(f"{{{name}:path}}", value)
    return path


async def test_key_reaches_only_the_endpoints_of_its_permissions(shared_gateway: Gateway) -> None:
    anything = dict.fromkeys(_PARAMETERS, "none")
    order = list(KeyPermission)
    for permission, lacking in zip(order, order[1:] + order[:1], strict=True):
        async with client(shared_gateway, await restricted(shared_gateway, permission)) as http:
            for method, template in plant_routes():
                if needed(method, template) not in (permission, lacking):
                    continue
                path = filled(template, anything)
                answer = await http.request(method, path, params=_QUERIES.get(path, {}))
                refused = answer.status_code == 403 and "api_key_permission" in answer.text
                is_expected = refused == (needed(method, template) is lacking)
                assert is_expected, (permission, method, path, answer.text)
            others = (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("POST", "/mcp"))
            for method, path in others:
                answer = await http.request(method, path, json={"model": "x"})
                assert (answer.status_code == 403) == (permission is not P.CALLS), (
                    path,
                    permission,
                )


async def test_key_of_a_connector_stores_readings_and_reads_none(shared_gateway: Gateway) -> None:
    await shared_gateway.http.post(f"{PLANT}/points", json={"tag": "CONN-1"})
    at = shared_gateway.parts.clock.now() - timedelta(days=1)
    reading = {"tag": "CONN-1", "time": at.isoformat(), "value": 1}
    body, line = {"readings": [reading]}, f"CONN-1 value=1 {int(at.timestamp())}000000000"
    async with client(shared_gateway, await restricted(shared_gateway, "readings:write")) as http:
        stored = await http.post(f"{PLANT}/readings", json=body)
        assert (stored.status_code, stored.json()["refused"]) == (200, 0), stored.text
        influx = await http.post(f"{PLANT}/readings/influx/api/v2/write", content=line)
        assert influx.status_code == 204, influx.text
        assert (await http.get(f"{PLANT}/readings", params={"point": "CONN-1"})).status_code == 403


async def test_restricted_key_manages_no_projects(shared_gateway: Gateway) -> None:
    async with client(shared_gateway, await restricted(shared_gateway, "calls")) as http:
        answer = await http.get("/v1/organization/projects")
        assert answer.json()["error"]["code"] == "project_change_not_allowed"


async def test_ids_of_another_account_are_not_found_on_any_endpoint(
    shared_gateway: Gateway,
) -> None:
    names = await _objects(shared_gateway)
    parts = shared_gateway.parts
    _, key = await customer(parts.database, parts.settings, "Stranger of all endpoints")
    async with client(shared_gateway, key.secret) as stranger:
        for method, template in plant_routes():
            if "{" not in template or "{resource:" in template or "{model:" in template:
                continue
            path = filled(template, names)
            assert "{" not in path, template
            owned = method == "GET" and await shared_gateway.http.get(path)
            answer = await stranger.request(method, path, json={})
            assert answer.status_code in (400, 404), (method, path, answer.text)
            if owned and owned.status_code == 200:
                assert answer.status_code == 404, (method, path)
        for path in ("assets", "points", "entities", "relations", "imports", "identifiers"):
            assert (await stranger.get(f"{PLANT}/{path}")).json()["data"] == [], path
        mapped = await stranger.get(f"{PLANT}/models/{SPECIALIST}/inputs")
        assert mapped.json()["inputs"] == {}
        preview = f"{PLANT}/models/{SPECIALIST}/inputs/preview"
        asked = {"asset": names["asset"]}
        assert (await stranger.get(preview, params=asked)).status_code == 404
        epc = quote(item("own"), safe="")
        events = (await stranger.get(f"{PLANT}/epcis/epcs/{epc}/events")).json()
        assert events["epcisBody"]["queryResults"]["resultsBody"]["eventList"] == []
        for path in ("epcs", "eventTypes", "bizSteps"):
            assert (await stranger.get(f"{PLANT}/epcis/{path}")).json()["member"] == [], path
        for path in ("shells", "submodels", "shell-descriptors", "submodel-descriptors"):
            listed = await stranger.get(f"{PLANT}/aas/api/v3.0/{path}")
            assert listed.json()["result"] == [], path


async def _objects(gateway: Gateway) -> dict[str, str]:
    """Create one object of each kind and return the values of path parameters."""

    async def post(path: str, body: Any) -> dict[str, Any]:
        answer = await gateway.http.post(f"{PLANT}/{path}", json=body)
        assert answer.status_code in (200, 201, 202), answer.text
        return dict(answer.json())

    asset = await post("assets", {"code": "OWN-1", "types": {"brick": "Pump"}})
    point = await post("points", {"tag": "OWN-T", "asset": "OWN-1"})
    entity = await post("entities", {"kind": "material", "code": "OWN-M", "name": "Steel"})
    nodes = ({"kind": "asset", "id": asset["id"]}, {"kind": "material", "id": entity["id"]})
    relation = dict(zip(("subject", "target"), nodes, strict=True)) | {"predicate": "uses"}
    stated = await post("relations", relation)
    order = await post("entities", {"kind": "work_order", "code": "OWN-W", "name": "Look"})
    sent = event("ObjectEvent", epcList=[item("own")], eventID=item("own-id"))
    await post("epcis/events", sent)
    await post("epcis/queries", {"name": "own-query", "query": {}})
    subscribed = {"dest": "https://8.8.8.8/epcis", "stream": True}
    subscription = await post("epcis/queries/own-query/subscriptions", subscribed)
    files = {"file": ("tags.csv", b"tag,asset\nOWN-X,OWN-1\n", "text/csv")}
    previewed = await gateway.http.post(f"{PLANT}/imports", files=files)
    assert previewed.status_code in (200, 201), previewed.text
    compared = await gateway.http.post(f"{PLANT}/comparisons", files=files)
    assert compared.status_code == 200, compared.text
    aas = f"{PLANT}/aas/api/v3.0"
    shell = (await gateway.http.get(f"{aas}/shells")).json()["result"][0]
    submodel = (await gateway.http.get(f"{aas}/submodels")).json()["result"][0]
    return {
        "asset": asset["id"],
        "point": point["id"],
        "entity": entity["id"],
        "relation": stated["id"],
        "order": order["id"],
        "plant_import": previewed.json()["id"],
        "plant_comparison": compared.json()["id"],
        "capture": "capture_" + "0" * 32,
        "name": "own-query",
        "subscription": subscription["subscriptionID"],
        "event": quote(item("own-id"), safe=""),
        "shell": _encoded(shell["id"]),
        "submodel": _encoded(submodel["id"]),
        "element": submodel["submodelElements"][0]["idShort"],
    }


def _encoded(text: str) -> str:
    """Return an AAS identifier in a path."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
