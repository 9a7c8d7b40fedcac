"""The page that maps the inputs of a model to points, with a preview of newest values."""

from typing import Any

import pytest

from infra.clock import SystemClock
from tests.support.builders import SPECIALIST
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words
from tests.support.fakes.upstream import FakeUpstream
from tests.support.plant.mills import create_mill, send_readings

PAGE = "/dashboard/plant/inputs"
API = f"/v1/plant/models/{SPECIALIST}/inputs"
ASKED = {"model": SPECIALIST, "asset": "M1"}
COLUMNS: list[dict[str, Any]] = [
    {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500},
    {"name": "temperature", "datatype": "FP32", "unit": "degC"},
]
POINTS = (("M1.TQ", "Torque", "Nm", 65.0), ("M1.T", "Zone", "degF", 212.0))
BY_TAG = {"kind.torque": "", "kind.temperature": "tag", "to.temperature": "{asset}.T"}


@pytest.fixture
async def plant(office: Firm, upstream: FakeUpstream) -> Firm:
    upstream.inputs[SPECIALIST] = COLUMNS
    await create_mill(office.gateway, POINTS)
    await send_readings(office.gateway, SystemClock().now(), POINTS)
    return office


async def test_mapping_is_previewed_with_converted_values_and_saved(plant: Firm) -> None:
    owner, http = plant.owner, plant.gateway.http
    here = f"{PAGE}?model={SPECIALIST}&asset=M1"
    first = words(await owner.page(here))
    assert "65 N·m M1.TQ Same name" in first.replace("Nm", "N·m")
    assert "The asset has no point for this input." in first
    edited = words((await owner.send(PAGE, **ASKED, **BY_TAG, step="preview")).text)
    assert "100 °C 212 °F M1.T Mapped for the model" in edited
    assert "not saved yet" in edited
    assert (await http.get(API)).json()["inputs"] == {}
    saved = await owner.send(PAGE, **ASKED, **BY_TAG, step="save")
    assert saved.status_code == 303
    assert (await http.get(API)).json()["inputs"] == {"temperature": {"tag": "{asset}.T"}}
    shown = await owner.page(saved.headers["location"])
    assert "The mapping was saved." in shown
    assert 'value="{asset}.T"' in shown
    answer = await http.get(f"{API}/preview?asset=M1")
    assert answer.status_code == 200, answer.text
    read = answer.json()
    assert [one["origin"] for one in read["inputs"]] == ["name", "mapped"]
    assert read["missing"] == []


async def test_wrong_choices_are_named_and_kept(plant: Firm) -> None:
    owner = plant.owner
    empty = await owner.send(PAGE, **ASKED, **{"kind.torque": "tag", "to.torque": " "}, step="save")
    assert (empty.status_code, "Enter a tag or a concept" in empty.text) == (422, True)
    concept = {"kind.torque": "concept", "to.torque": "Torque Sensor"}
    assert (await owner.send(PAGE, **ASKED, **concept, step="save")).status_code == 303
    mapped = (await plant.gateway.http.get(API)).json()["inputs"]["torque"]["concept"]
    assert mapped == "https://brickschema.org/schema/Brick#Torque_Sensor"
    unknown = await owner.page(f"{PAGE}?model={SPECIALIST}&asset=NONE")
    assert 'role="alert"' in unknown or 'class="error"' in unknown
    assert 'role="alert"' in await owner.page(f"{PAGE}?model=no-such-model")
    stranger = await plant.stranger.http.get(f"{PAGE}?model={SPECIALIST}&asset=M1")
    assert "M1.TQ" not in stranger.text
