"""A plant model of a gateway's account, through the API."""

from tests.support.builders import Gateway

_PATH = "/v1/plant"
_TAGS = (
    "tag,name,unit,low,high,path,concept\n"
    "TI-101,Bearing temperature,°C,0,150,Works/Boiler house/Pump 1,Temperature_Sensor\n"
    "PI-101,Discharge pressure,bar,0,16,Works/Boiler house/Pump 1,\n"
)


async def import_plant(gateway: Gateway) -> dict[str, str]:
    """Import a tag list; returns the ids of an asset, a point and the import."""
    files = {"file": ("tags.csv", _TAGS.encode())}
    shown = await gateway.http.post(f"{_PATH}/imports", files=files)
    assert shown.status_code == 200, shown.text
    plant_import = shown.json()["id"]
    done = await gateway.http.post(f"{_PATH}/imports/{plant_import}/confirm")
    assert done.status_code == 200, done.text
    point = (await gateway.http.get(f"{_PATH}/points?tag=TI-101")).json()["data"][0]
    return {"asset": point["asset"], "point": point["id"], "plant_import": plant_import}
