"""`/v1/plant` over HTTP: assets, points, mappings, entities, relations, imports, exports."""

from typing import Any

import pytest

from tests.support.builders import Gateway
from tests.support.gateway.errors import error_of

P = "/v1/plant"


async def post(gateway: Gateway, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    answer = await gateway.http.post(f"{P}/{path}", json={} if body is None else body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def get(gateway: Gateway, path: str, status: int = 200) -> dict[str, Any]:
    answer = await gateway.http.get(f"{P}/{path}")
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(gateway: Gateway, path: str, body: Any, status: int) -> tuple[str, Any]:
    answer = await gateway.http.post(f"{P}/{path}", json=body)
    assert answer.status_code == status, answer.text
    error = error_of(answer)
    return error["code"], error["param"]


async def test_asset_is_created_moved_and_retired(gateway: Gateway) -> None:
    headers = {"idempotency-key": "works"}
    body = {"code": "W1", "name": "工厂", "level": "site"}
    for _ in range(2):
        made = await gateway.http.post(f"{P}/assets", json=body, headers=headers)
        assert made.status_code == 200, made.text
    works = made.json()
    pump = await post(
        gateway, "assets", {"code": "P-1", "parent": "W1", "types": {"brick": "Pump"}}
    )
    part = await post(
        gateway, "assets", {"code": "M-1", "parent": pump["id"], "level": "component"}
    )
    assert (pump["parent"], pump["name"], part["parent"]) == (works["id"], "P-1", pump["id"])
    for wrong, expected in (
        ({"parent": part["id"]}, ("plant_model_invalid", "level")),
        ({"parent": pump["id"]}, ("plant_model_invalid", "parent")),
        ({"level": "enterprise"}, ("plant_model_invalid", "level")),
        ({"parent": "nowhere"}, ("plant_node_not_found", None)),
        ({"code": " P"}, ("plant_model_invalid", "code")),
        ({"level": "floor"}, ("invalid_value", "level")),
        ({"colour": "red"}, ("invalid_value", "colour")),
    ):
        status = 404 if expected[0] == "plant_node_not_found" else 400
        assert await refused(gateway, f"assets/{pump['id']}", wrong, status) == expected
    assert await refused(gateway, "assets", {"code": "W1"}, 409) == ("plant_key_taken", "code")
    moved = await post(gateway, f"assets/{part['id']}", {"parent": None, "name": "Motor"})
    assert (moved["parent"], moved["name"]) == (None, "Motor")
    listed = await get(gateway, "assets?parent=W1")
    assert [one["code"] for one in listed["data"]] == ["P-1"]
    page = await get(gateway, f"assets?limit=1&after={works['id']}")
    assert ([one["code"] for one in page["data"]], page["has_more"]) == (["P-1"], True)
    for query in ("asset_type=Pump", "text=p-", "level=equipment"):
        found = await get(gateway, f"assets?{query}")
        assert [one["code"] for one in found["data"]] == ["P-1"], query
    assert (await gateway.http.delete(f"{P}/assets/W1")).status_code == 409
    gone = await gateway.http.delete(f"{P}/assets/{pump['id']}")
    assert gone.json()["retired_at"] is not None
    body = {"name": "x"}
    expected = ("plant_node_retired", None)
    assert await refused(gateway, f"assets/{pump['id']}", body, 409) == expected


async def test_replaced_sensor_keeps_its_history_under_the_tag(gateway: Gateway) -> None:
    await post(gateway, "assets", {"code": "P-1"})
    body = {"tag": "TI-1", "asset": "P-1", "unit": "℃", "concept": {"id": "Temperature"}}
    point = await post(gateway, "points", body)
    assert (point["unit"], point["unit_label"]) == ("degC", "°C")
    assert (point["mapping_status"], point["concept"]["scheme"]) == ("confirmed", "brick")
    new = await post(gateway, f"points/{point['id']}/replace", {"unit": "K", "high": 400})
    assert (new["tag"], new["unit"], new["concept"]["id"]) == ("TI-1", "K", "Temperature")
    assert new["id"] != point["id"]
    history = (await get(gateway, f"points/{new['id']}/mappings"))["data"]
    assert [(one["point"], one["unit"]) for one in history] == [
        (new["id"], "K"), (point["id"], "degC"),
    ]  # fmt: skip
    assert [one["valid_to"] is None for one in history] == [True, False]
    old = await get(gateway, f"points/{point['id']}")
    assert old["retired_at"] is not None
    assert len((await get(gateway, "points?tag=TI-1"))["data"]) == 1
    assert len((await get(gateway, "points?tag=TI-1&include_retired=true"))["data"]) == 2
    for wrong, field in (
        ({"unit": "quux"}, "unit"),
        ({"low": 500}, "low"),
        ({"tag": ""}, "tag"),
        ({"name": "a\u0007"}, "name"),
    ):
        code, param = await refused(gateway, f"points/{new['id']}", wrong, 400)
        assert (code, param) == ("plant_model_invalid", field)


async def test_mappings_are_confirmed_in_bulk(gateway: Gateway) -> None:
    points = [await post(gateway, "points", {"tag": f"TI-{n}"}) for n in range(3)]
    expected = ("plant_model_invalid", "concept")
    body = {"mappings": [{"point": points[0]["id"]}]}
    assert await refused(gateway, "mappings", body, 400) == expected
    mappings = [{"point": one["id"], "concept": {"id": "T"}} for one in points[:2]]
    assert (await post(gateway, "mappings", {"mappings": mappings}))["changed"] == 2
    assert (await post(gateway, "mappings", {"mappings": mappings}))["changed"] == 0
    counts = await get(gateway, "mappings")
    assert (counts["confirmed"], counts["unmapped"]) == (2, 1)
    assert len((await get(gateway, "points?mapping_status=confirmed&concept=T"))["data"]) == 2
    history = (await get(gateway, f"points/{points[0]['id']}/mappings"))["data"]
    assert [one["mapping_status"] for one in history] == ["confirmed", "unmapped"]
    assert history[0]["actor"].startswith("key_")


async def test_relations_connect_nodes_until_they_end(gateway: Gateway) -> None:
    pump = await post(gateway, "assets", {"code": "P-1"})
    leak = await post(gateway, "entities", {"kind": "failure_mode", "code": "F1", "name": "Leak"})
    body = {
        "subject": {"kind": "asset", "id": "P-1"},
        "predicate": "has_failure_mode",
        "target": {"kind": "failure_mode", "id": "F1"},
        "confidence": 0.5,
    }
    relation = await post(gateway, "relations", body)
    assert (relation["subject"]["id"], relation["target"]["id"]) == (pump["id"], leak["id"])
    assert (await post(gateway, "relations", body))["id"] == relation["id"]
    wrong = {**body, "confidence": 2}
    assert (await refused(gateway, "relations", wrong, 400))[0] == "plant_model_invalid"
    found = await get(gateway, f"relations?node={leak['id']}")
    assert [one["id"] for one in found["data"]] == [relation["id"]]
    changed = await post(gateway, f"entities/{leak['id']}", {"name": "Seal leak"})
    assert changed["name"] == "Seal leak"
    ended = await gateway.http.delete(f"{P}/relations/{relation['id']}")
    assert ended.json()["valid_to"] is not None
    assert (await get(gateway, "relations"))["data"] == []
    await gateway.http.delete(f"{P}/entities/{leak['id']}")
    assert (await get(gateway, "entities?kind=failure_mode"))["data"] == []


async def test_file_is_previewed_confirmed_and_exported(gateway: Gateway) -> None:
    files = {"file": ("tags.csv", "位号,单位,备注\nTI-1,℃,x\n".encode("gb18030"))}
    answer = await gateway.http.post(f"{P}/imports", files=files)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["status"], shown["unknown_columns"]) == ("previewed", ["备注"])
    assert shown["changes"][0]["key"] == "TI-1"
    assert (await get(gateway, "points"))["data"] == []
    done = await post(gateway, f"imports/{shown['id']}/confirm")
    assert (done["status"], done["counts"]["points"]["create"]) == ("applied", 1)
    assert [one["id"] for one in (await get(gateway, "imports"))["data"]] == [shown["id"]]
    exported = await gateway.http.get(f"{P}/export?export_format=csv")
    assert "TI-1" in exported.text
    files = {"file": ("tags.csv", b"tag,unit\nTI-2,quux\n")}
    wrong = await gateway.http.post(f"{P}/imports", files=files)
    error = error_of(wrong)
    assert (error["code"], error["problem_count"]) == ("plant_model_invalid", 1)
    assert (error["problems"][0]["line"], error["problems"][0]["field"]) == (2, "unit")


@pytest.mark.parametrize(
    "path", ["assets/ast_1", "points/pt_1", "entities/ent_1", "relations/rel_1", "imports/imp_1"]
)
async def test_unknown_id_is_not_found(gateway: Gateway, path: str) -> None:
    assert (await get(gateway, path, 404))["error"]["code"] == "plant_node_not_found"
