"""Imports whose file is read after the request: status, problems, confirmation."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.plant.formats.nodeset.writer import write_nodeset
from gateway.plant.imports.previews import FAILED, READING, import_json, status_of
from gateway.tables.plant import PlantImport
from infra import ids
from tests.support.billing.making import CLOCK
from tests.support.builders import Gateway
from tests.support.gateway.errors import error_of
from tests.support.plants import large_plant

P = "/v1/plant/imports"
POINTS = 3_000


async def begin(gateway: Gateway, content: bytes, name: str = "tags.csv") -> dict[str, Any]:
    form = {"background": "true"}
    answer = await gateway.http.post(P, files={"file": (name, content)}, data=form)
    assert answer.status_code == 200, answer.text
    begun: dict[str, Any] = answer.json()
    assert (begun["status"], "counts" in begun) == ("reading", False)
    return begun


async def ended(gateway: Gateway, begun: dict[str, Any]) -> dict[str, Any]:
    """Wait for the tasks of the importer, and return the import."""
    await asyncio.gather(*gateway.parts.plant.importer.tasks)
    shown: dict[str, Any] = (await gateway.http.get(f"{P}/{begun['id']}")).json()
    return shown


async def test_large_file_is_previewed_after_the_request_and_then_confirmed(
    gateway: Gateway,
) -> None:
    begun = await begin(gateway, write_nodeset(large_plant(POINTS)).content, "plant.xml")
    shown = await ended(gateway, begun)
    assert (shown["status"], shown["source"]) == ("previewed", "nodeset")
    assert shown["counts"]["points"]["create"] == POINTS
    done = await gateway.http.post(f"{P}/{begun['id']}/confirm")
    assert done.json()["status"] == "applied"


async def test_problems_of_the_file_are_in_the_failed_import(gateway: Gateway) -> None:
    shown = await ended(gateway, await begin(gateway, b"asset,parent,tag\nA,B,\nB,A,\n"))
    assert (shown["status"], shown["error"]["code"]) == ("failed", "plant_model_invalid")
    assert shown["problems"][0]["code"] == "cycle"
    refused = await gateway.http.post(f"{P}/{shown['id']}/confirm")
    assert error_of(refused)["code"] == "plant_import_not_ready"
    listed = (await gateway.http.get(P)).json()["data"]
    assert [one["status"] for one in listed] == ["failed"]


async def test_unknown_value_of_background_is_refused(gateway: Gateway) -> None:
    form = {"background": "yes"}
    answer = await gateway.http.post(P, files={"file": ("a.csv", b"tag\nT")}, data=form)
    assert (answer.status_code, error_of(answer)["param"]) == (400, "background")


@pytest.mark.parametrize(("minutes", "status"), [(1, READING), (31, FAILED)])
def test_import_whose_process_ended_is_failed_after_half_an_hour(minutes: int, status: str) -> None:
    row = PlantImport(
        id=ids.new_id(), account_id=ids.new_id(), status=READING, mode="merge", source="manual",
        file_name="a", revision=0, content=b"", summary={}, actor="cli", created_at=CLOCK.now(),
    )  # fmt: skip
    now = CLOCK.now() + timedelta(minutes=minutes)
    assert status_of(row, now) == import_json(row, now)["status"] == status
