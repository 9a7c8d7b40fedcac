"""A plant model of a gateway's account, through the API."""

from tests.support.builders import Gateway

_PATH = "/v1/plant"
_TAGS = (
    "tag,name,unit,low,high,path,concept\n"
    "TI-101,Bearing temperature,°C,0,150,Works/Boiler house/Pump 1,Temperature_Sensor\n"
    "PI-101,Discharge pressure,bar,0,16,Works/Boiler house/Pump 1,\n"
)


async def import_plant(gateway: Gateway) -> dict[str, str]:
    """Import a tag list and compare with it; returns the ids of an asset, a point, the import, the
    comparison, a document and its relation to the asset."""
    files = {"file": ("tags.csv", _TAGS.encode())}
    shown = await gateway.http.post(f"{_PATH}/imports", files=files)
    assert shown.status_code == 200, shown.text
    plant_import = shown.json()["id"]
    done = await gateway.http.post(f"{_PATH}/imports/{plant_import}/confirm")
    assert done.status_code == 200, done.text
    point = (await gateway.http.get(f"{_PATH}/points?tag=TI-101")).json()["data"][0]
    compared = await gateway.http.post(f"{_PATH}/comparisons", files=files)
    assert compared.status_code == 200, compared.text
    body = {"kind": "document", "code": "DOC-1"}
    once = {"Idempotency-Key": "document"}
    created = await gateway.http.post(f"{_PATH}/entities", json=body, headers=once)
    entity = created.json()["id"]
    about = {"kind": "asset", "id": point["asset"]}
    subject = {"kind": "document", "id": entity}
    stated = {"subject": subject, "predicate": "documents", "target": about}
    answer = await gateway.http.post(f"{_PATH}/relations", json=stated)
    assert answer.status_code == 200, answer.text
    return {
        "asset": point["asset"],
        "point": point["id"],
        "plant_import": plant_import,
        "plant_comparison": compared.json()["id"],
        "entity": entity,
        "relation": answer.json()["id"],
    }


async def import_all(gateway: Gateway, *texts: str) -> None:
    """Import files one after another, each with its preview and confirmation."""
    for text in texts:
        files = {"file": ("plant.csv", text.encode())}
        shown = await gateway.http.post("/v1/plant/imports", files=files)
        assert shown.status_code == 200, shown.text
        path = f"/v1/plant/imports/{shown.json()['id']}/confirm"
        assert (await gateway.http.post(path)).status_code == 200
