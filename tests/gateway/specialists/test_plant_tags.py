"""`/v1/tags/align` and `/v1/tags/propose` of the real model: own concepts, order, bill, command."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from models.catalog import Task
from tests.support.adaptations import adapted
from tests.support.builders import CATALOG, Gateway
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.nightly import nightly
from tests.support.training_files import confirmations

MODEL = CATALOG.with_task(Task.ALIGNMENT)[0]
OWN = [{"id": "RT", "name": "Room temperature"}, {"id": "DP", "name": "Damper position"}]
TAGS = [
    "site / vav 1 / dmpr pos",
    "site / vav 2 / dmpr pos",
    "site / vav 3 / dmpr pos",
    "site / room 1 / room temp",
]


async def asked(gateway: Gateway, path: str, **fields: Any) -> dict[str, Any]:
    body = {"model": MODEL.id, "tags": TAGS, **fields}
    response = await gateway.http.post(f"/v1/tags/{path}", json=body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_tags_are_aligned_with_own_concepts_and_billed_as_rows(real: Gateway) -> None:
    found = await asked(real, "align", concepts=OWN)
    assert [one["concept"] for one in found["data"]] == ["DP", "DP", "DP", "RT"]
    assert found["data"][0]["equipment"] == "vav 1"
    (row,) = await real.rows()
    assert (row["operation"], row["model"], row["rows"]) == ("tag_alignment", MODEL.id, 4)
    assert row["request_id"] == found["id"]
    body = {"model": MODEL.id, "tags": TAGS, "count": 3}
    quote = (await real.http.post("/v1/quote", json=body)).json()
    assert (quote["endpoint"], quote["max_cost"]) == ("/v1/tags/propose", row["cost"])
    assert round(float(row["cost"]) * 1e9) == 4 * MODEL.prices["CNY"]["rows"]


async def test_proposal_begins_with_the_tag_that_stands_for_most_others(real: Gateway) -> None:
    found = await asked(real, "propose", concepts=OWN)
    assert [one["tag"] for one in found["data"]] == [TAGS[0], TAGS[3]]
    assert [one["concept"] for one in found["data"]] == ["DP", "RT"]
    (row,) = await real.rows()
    assert (row["operation"], row["rows"]) == ("tag_proposal", 4)


@nightly
async def test_fine_tuned_model_proposes_only_what_its_confirmations_do_not_cover(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    content, concepts = confirmations()
    name = (await adapted(openai, MODEL.id, content)).fine_tuned_model
    tags = ["north_QXA_0", "north_QXB_1", "attic_ZZZ_1"]
    found = await asked(real, "propose", model=name, tags=tags)
    assert [one["tag"] for one in found["data"]] == ["attic_ZZZ_1"]
    aligned = await asked(real, "align", model=name, tags=tags[:2])
    assert [one["concept"] for one in aligned["data"]] == concepts[:2]
    assert aligned["model"] == name


async def test_model_of_another_task_is_refused(real: Gateway) -> None:
    other = CATALOG.with_task(Task.CLASSIFICATION)[0].id
    response = await real.http.post("/v1/tags/align", json={"model": other, "tags": TAGS})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "model_not_supported"


async def test_command_asks_a_model_through_the_api(
    real: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_logs_alone(monkeypatch)
    tags, own = tmp_path / "tags.txt", tmp_path / "own.json"
    tags.write_text("\n".join(TAGS), encoding="utf-8")
    own.write_text(json.dumps(OWN), encoding="utf-8")
    options = (str(tags), "--model", MODEL.id, "--concepts", str(own), "--url", real.url, "--json")
    code, out = await invoke({}, "tags", "propose", *options)
    assert (code, json.loads(out)["error"]["code"]) == (1, "api_unreachable")
    monkeypatch.setenv("MAAS_API_KEY", real.key.secret)
    code, out = await invoke({}, "tags", "propose", *options)
    found = json.loads(out)
    assert (code, [one["tag"] for one in found["tags"]]) == (0, [TAGS[0], TAGS[3]])
    assert float(found["cost"]) > 0
    code, out = await invoke({}, "tags", "align", *options[:2], "no-such-model", *options[5:])
    assert (code, json.loads(out)["error"]["code"]) == (1, "api_refused")
