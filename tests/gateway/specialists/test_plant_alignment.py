"""Plant alignment that learns, with the real `tag-align` and PostgreSQL: proposals in the
background, 200 confirmations, the next version without any command, and a rollback."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.catalog import Task
from models.tag_align.aligner import TagAligner
from tests.support import builders
from tests.support.builders import CATALOG, Gateway, run_gateway
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.nightly import nightly

MODEL = CATALOG.with_task(Task.ALIGNMENT)[0]
WORDS = (
    "Supply Air Temperature Sensor",
    "Return Air Temperature Sensor",
    "Supply Air Flow Sensor",
)
PLACES = ("north", "south", "east", "west", "roof", "hall", "yard", "gate")
PUMP = "Works/Line 2/Pump 3"
TIMING = builders.polling(
    *("alignment", "retraining", "adaptations"), every_s=0.3, epoch_poll_s=0.05
)


@pytest.fixture
async def plant(specialists_url: str, database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with 240 points of arbitrary names, and one whose path names asset and unit."""
    settings = builders.settings(database_url, tmp_path, specialists_url, timing=TIMING)
    async with run_gateway(settings) as gateway:
        rows = ["tag,path", f"Existing point,{PUMP}"]
        rows += [f"{place}_QX{'ABC'[at % 3]}_{at}," for place in PLACES for at in range(30)]
        rows += [f"{PUMP}/Temperature (°C),"]
        shown = await gateway.http.post(
            "/v1/plant/imports", files={"file": ("tags.csv", "\n".join(rows).encode())}
        )
        assert shown.status_code == 200, shown.text
        done = await gateway.http.post(f"/v1/plant/imports/{shown.json()['id']}/confirm")
        assert done.status_code == 200, done.text
        yield gateway


async def status_of(gateway: Gateway) -> dict[str, Any]:
    answer = await gateway.http.get("/v1/plant/alignment")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status_when(gateway: Gateway, model: str, points: int) -> dict[str, Any]:
    """The status once a version has been asked about so many points."""
    async with asyncio.timeout(120):
        while True:
            found = await status_of(gateway)
            if found["proposals_by_model"] == {model: points} and found["waits_for"] is None:
                # Read again: spending may have been read just before it was committed.
                return await status_of(gateway)
            await asyncio.sleep(0.4)


async def queue(gateway: Gateway, order: str = "informative") -> list[dict[str, Any]]:
    answer = await gateway.http.get(f"/v1/plant/mappings/queue?limit=100&order={order}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def switch_on(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    body = {"budget": "20", "training": {"budget": "10"}, **fields}
    answer = await gateway.http.put("/v1/plant/alignment", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def concept_of(tag: str) -> dict[str, str]:
    """The concept that the plant means by a tag."""
    word = WORDS["ABC".index(tag[tag.index("_QX") + 3])]
    return {"scheme": "brick", "id": concept_ids()[word]}


@cache
def concept_ids() -> dict[str, str]:
    """Ids of concepts by name. Read once: the gateway of the test runs in the same event loop, and
    reading the model for each point kept it from answering for as long as a minute."""
    return {one.name: one.id for one in TagAligner.load().names.concepts}


async def confirm_as_meant(gateway: Gateway, count: int) -> None:
    """Confirm the queue's first points of the plant's own words."""
    points = [one for one in await all_open(gateway) if "_QX" in one["tag"]]
    body = {
        "mappings": [
            {"point": one["id"], "concept": concept_of(one["tag"])} for one in points[:count]
        ]
    }
    answer = await gateway.http.post("/v1/plant/mappings", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"] == count


async def all_open(gateway: Gateway) -> list[dict[str, Any]]:
    """All points without a confirmed concept."""
    points: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await gateway.http.get(f"/v1/plant/points?limit=100{after}")).json()
        points += page["data"]
        if not page["has_more"]:
            return [one for one in points if one["mapping_status"] != "confirmed"]
        after = f"&after={points[-1]['id']}"


@nightly
async def test_200_confirmations_bring_a_version_into_use_without_any_command(
    plant: Gateway,
) -> None:
    first = await switch_on(plant)
    assert (first["model_in_use"], first["training"]["confirmations"]) == (MODEL.id, 200)
    status = await status_when(plant, MODEL.id, 242)
    assert float(status["spent"]) == pytest.approx(242 * MODEL.prices["CNY"]["rows"] / 1e9)
    calls = await plant.rows(1)
    assert (calls[0]["operation"], calls[0]["rows"]) == ("tag_alignment", 242)
    assert calls[0]["tags"] == {"source": "plant"}
    await check_unit_and_asset(plant)
    await confirm_as_meant(plant, 200)
    async with asyncio.timeout(120):
        while (status := await status_of(plant))["model_in_use"] == MODEL.id:  # noqa: ASYNC110
            await asyncio.sleep(0.4)
    version = status["model_in_use"]
    assert version.endswith(":plant:1")
    await status_when(plant, version, 41)
    left = [one for one in await queue(plant) if "_QX" in one["tag"]]
    assert len(left) == 40
    assert all(one["concept"] == concept_of(one["tag"]) for one in left)
    assert {one["proposal"]["model"] for one in left} == {version}
    answer = await plant.http.get(f"/v1/plant/points/{left[0]['id']}/mappings")
    assert answer.status_code == 200, answer.text
    history = answer.json()["data"]
    assert [one["actor"] for one in history][:2] == [version, MODEL.id]
    assert history[0]["proposal"]["score"] > history[1]["proposal"]["score"]
    run = (await status_of(plant))["training"]["runs"][0]
    assert (run["status"], run["trigger"], run["version"]) == ("activated", "confirmations", 1)
    await next_version_is_compared_and_can_be_rolled_back(plant, version)


async def next_version_is_compared_and_can_be_rolled_back(plant: Gateway, first: str) -> None:
    """Ten further confirmations train version 2, which is compared with version 1."""
    await switch_on(plant, training={"budget": "10", "confirmations": 10})
    await confirm_as_meant(plant, 20)
    name = first.rpartition(":")[0]
    await status_when(plant, f"{name}:2", 21)
    job = (await plant.http.get("/v1/fine_tuning/jobs?limit=1")).json()["data"][0]
    current = job["score"]["current"]
    assert 0 < current["examples"] <= 20
    assert current["improvement"][0] <= current["adapted"] - current["current"]
    rolled = await plant.http.post(f"/v1/models/{name}/rollback")
    assert rolled.status_code == 200, rolled.text
    await status_when(plant, first, 21)
    runs = (await status_of(plant))["training"]["runs"]
    assert [one["version"] for one in runs] == [2, 1]


async def test_budget_ends_proposals_and_says_so(plant: Gateway) -> None:
    price = MODEL.prices["CNY"]["rows"]
    await switch_on(plant, budget=f"{100.5 * price / 1e9:.9f}", training=None)
    async with asyncio.timeout(120):
        while (status := await status_of(plant))["waits_for"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.4)
    assert status["waits_for"] == "alignment_budget_exhausted"
    assert status["proposals_by_model"] == {MODEL.id: 100}
    assert status["training"] is None
    assert float(status["spent"]) == pytest.approx(100 * price / 1e9)
    gone = await plant.http.delete("/v1/plant/alignment")
    assert gone.json()["deleted"] is True
    assert len(await queue(plant)) == 100


async def test_points_of_another_plant_are_aligned_by_the_model(
    plant: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_logs_alone(monkeypatch)
    own = {"tag": "T-1", "unit": "°C", "concept": {"id": "Supply Air Temperature Sensor"}}
    assert (await plant.http.post("/v1/plant/points", json=own)).status_code == 200
    files = {"file": ("other.csv", b"tag,unit\nsupply air temperature sensor,K\nqqq zzz,\n")}
    answer = await plant.http.post("/v1/plant/comparisons", files=files, data={"model": MODEL.id})
    found = answer.json()
    assert (answer.status_code, found["billed_rows"]) == (200, 2), answer.text
    pairs = await plant.http.get(f"/v1/plant/comparisons/{found['id']}/pairs")
    (pair,) = [one for one in pairs.json()["data"] if one["point"]["tag"] == "T-1"]
    assert pair["other"]["tag"] == "supply air temperature sensor"
    assert (pair["units"]["relation"], pair["units"]["offset"]) == ("convertible", -273.15)
    assert 0.8 < pair["confidence"] < 1
    (row,) = await plant.rows()
    assert row["rows"] == 2
    other = tmp_path / "other.csv"
    other.write_bytes(files["file"][1])
    environment = {"MAAS_API_KEY": plant.key.secret}
    command = ("plant", "compare", str(other), "--model", MODEL.id, "--url", plant.url, "--json")
    code, out = await invoke(environment, *command)
    assert (code, json.loads(out)["first_pairs"][0]["point"]["tag"]) == (0, "T-1"), out


async def check_unit_and_asset(plant: Gateway) -> None:
    """The path of a tag proposes its asset, the bracket its unit; both are confirmed together."""
    (point,) = [one for one in await queue(plant, "certain") if one["tag"].startswith(PUMP)]
    proposal = point["proposal"]
    assert (proposal["unit"], proposal["asset_code"]) == ("degC", PUMP)
    assert proposal["unit_probability"] > 0.9
    assert proposal["asset_probability"] > 0.9
    wanted = {"point": point["id"], "unit": proposal["unit"], "asset": proposal["asset"]}
    wrong = {**wanted, "unit": "quux", "concept": {"id": "own", "scheme": "own"}}
    refused = await plant.http.post("/v1/plant/mappings", json={"mappings": [wrong]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "plant_model_invalid")
    changed = await plant.http.post("/v1/plant/mappings", json={"mappings": [wanted]})
    assert changed.json()["changed"] == 1, changed.text
    shown = (await plant.http.get(f"/v1/plant/points/{point['id']}")).json()
    assert (shown["unit"], shown["asset"]) == ("degC", proposal["asset"])
