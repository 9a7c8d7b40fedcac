"""Pages of the plant model: import with preview, tree, asset, mapping queue."""

import html
from typing import Any

import pytest

from gateway.identity.roles import Role
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words

PLANT = "/dashboard/plant"
CSV = (
    "位号,名称,单位,路径\n"
    "TI-1,温度,℃,Works/Boiler/Pump 1\n"
    "PI-1,Pressure,bar,Works/Boiler/Pump 1\n"
    "TI-2,,degC,Works/Boiler/Pump 2\n"
).encode("gb18030")


async def upload(firm: Firm, content: bytes, **fields: str) -> Any:
    """Send a file to the form of imports."""
    owner = firm.owner
    data = {"csrf": owner.csrf, "mode": "merge", **fields}
    files = {"upload": ("tags.csv", content)}
    return await owner.http.post(f"{PLANT}/import", data=data, files=files)


async def imported(firm: Firm, content: bytes = CSV) -> str:
    """Import a file; returns the address of its preview."""
    shown = await upload(firm, content)
    assert shown.status_code == 303, shown.text
    address: str = shown.headers["location"]
    page = words(await firm.owner.page(address))
    assert "What the import changes" in page
    done = await firm.owner.send(f"{address}/confirm")
    assert done.headers["location"] == address
    return address


async def test_file_is_imported_after_its_preview(office: Firm) -> None:
    assert "No assets yet" in await office.owner.page(PLANT)
    address = await imported(office)
    assert "What the import changed" in await office.owner.page(address)
    page = words(await office.owner.page(PLANT))
    assert "Works" in page
    assert "3 unmapped" in page
    again = await upload(office, CSV)
    shown = await office.owner.page(again.headers["location"])
    assert "already has everything" in shown
    found = await office.owner.page(f"{PLANT}?q=Pump+2")
    assert "Works/Boiler/Pump 2" in found
    assert "TI-2" in await office.owner.page(f"{PLANT}?q=ti-2")
    for name in ("csv", "xlsx", "json"):
        file = await office.owner.http.get(f"{PLANT}/export?export_format={name}")
        assert file.headers["content-disposition"] == f'attachment; filename="plant.{name}"'


async def test_problems_of_a_file_are_listed_in_the_page_language(office: Firm) -> None:
    for language, expected in (("en", "The unit 'quux' of point"), ("zh", "无法识别测点")):
        office.owner.http.headers["accept-language"] = language
        wrong = await upload(office, b"tag,unit\nTI-1,quux\n")
        assert wrong.status_code == 422
        assert expected in html.unescape(wrong.text), language


async def test_marked_proposals_are_confirmed(office: Firm) -> None:
    await imported(office)
    points = (await office.gateway.http.get("/v1/plant/points")).json()["data"]
    first, second = points[0]["id"], points[1]["id"]
    fields = {
        f"mark.{first}": "1",
        f"concept.{first}": "Temperature Sensor",
        f"mark.{second}": "1",
        f"concept.{second}": "my-pressure",
        f"concept.{points[2]['id']}": "unmarked",
    }
    sent = await office.owner.send(f"{PLANT}/mappings", order="certain", **fields)
    assert sent.headers["location"] == f"{PLANT}/mappings?order=certain&confirmed=2"
    changed = (await office.gateway.http.get("/v1/plant/points")).json()["data"]
    assert [one["concept"] for one in changed] == [
        {"scheme": "brick", "id": "https://brickschema.org/schema/Brick#Temperature_Sensor"},
        {"scheme": "own", "id": "my-pressure"},
        None,
    ]
    history = words(await office.owner.page(f"{PLANT}/points/{first}"))
    assert "Temperature Sensor" in history
    nothing = await office.owner.send(f"{PLANT}/mappings")
    assert nothing.status_code == 422


@pytest.mark.parametrize("path", ["import", "mappings"])
async def test_viewer_sees_the_plant_but_cannot_change_it(office: Firm, path: str) -> None:
    await imported(office)
    gateway = office.gateway
    async with looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER) as viewer:
        assert "Works" in await viewer.page(PLANT)
        await viewer.page(f"{PLANT}/{path}", 403)
