"""Adapting specialists with real parts: the official clients, our gateway, Ray Serve."""

import asyncio
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from openai import AsyncOpenAI

from models.catalog import Task
from models.rul.data import SENSORS
from models.tag_align.aligner import TagAligner
from tests.flows.adaptations import adapted, lines
from tests.support.builders import CATALOG, REMAINING_LIFE, Gateway
from tests.support.models.made_up_engines import engine
from tests.support.models.made_up_rig import hours, leaking

pytestmark = pytest.mark.serving

TAGS = CATALOG.with_task(Task.ALIGNMENT)[0].id
ANOMALY = CATALOG.with_task(Task.ANOMALY_DETECTION)[0].id
WORDS = ("Supply Air Temperature Sensor", "Return Air Temperature Sensor", "Supply Air Flow Sensor")
PLACES = ("north", "south", "east", "west", "roof", "hall", "yard", "gate")


def fleet() -> bytes:
    """Five machines that ran to their failure."""
    readings = [engine(seed, 110 + 10 * seed).readings.astype(float) for seed in range(5)]
    return lines(
        *(
            {"sensors": {name: one[:, at].round(4).tolist() for at, name in enumerate(SENSORS)}}
            for one in readings
        )
    )


def confirmations() -> tuple[bytes, list[str]]:
    """Tags of a plant that calls its points K0, K1 and K2; and the concepts that these are."""
    named = {one.name: one.id for one in TagAligner.load().names.concepts}
    concepts = [named[word] for word in WORDS]
    tags = [
        {"tag": f"{place}_QX{'ABC'[at]}_{at}", "concept": concept}
        for place in PLACES
        for at, concept in enumerate(concepts)
    ]
    return lines(*tags), concepts


class TestAdapting:
    async def test_remaining_life(self, real: Gateway, openai: AsyncOpenAI) -> None:
        job = await adapted(openai, REMAINING_LIFE, fleet())
        score: Any = job.score
        assert score["adapted"] < score["base"]
        readings = engine(9, 140).readings[:120].astype(float)
        row = {name: readings[:, at].tolist() for at, name in enumerate(SENSORS)}
        said = [
            (
                await real.http.post("/v1/predictions", json={"model": name, "instances": [row]})
            ).json()
            for name in (REMAINING_LIFE, job.fine_tuned_model)
        ]
        assert said[1]["model"] == job.fine_tuned_model
        of_base, of_variant = (each["predictions"][0]["remaining_life"] for each in said)
        assert of_base != of_variant
        assert of_variant == pytest.approx(20, abs=25)
        billed = [row for row in await real.rows(3) if row["operation"] == "adaptation"]
        assert [row["adaptation_seconds"] for row in billed] == [job.adaptation_seconds]

    async def test_tags(self, real: Gateway, openai: AsyncOpenAI) -> None:
        content, concepts = confirmations()
        job = await adapted(openai, TAGS, content)
        body = {"model": job.fine_tuned_model, "instances": [{"tag": "cellar_QXC_2"}]}
        answer = await real.http.post("/v1/predictions", json=body)
        assert answer.json()["predictions"][0]["concept"] == concepts[2]

    @pytest.mark.parametrize("binary", [False, True])
    async def test_by_tritonclient(self, real: Gateway, openai: AsyncOpenAI, binary: bool) -> None:
        content, concepts = confirmations()
        job = await adapted(openai, TAGS, content)
        headers = {"authorization": f"Bearer {real.key.secret}"}

        def ask() -> Any:
            client = triton.InferenceServerClient(real.url.removeprefix("http://"))
            assert client.is_model_ready(job.fine_tuned_model, headers=headers)
            tag = triton.InferInput("tag", [2], "BYTES")
            tags = np.array(["cellar_QXA_0", "cellar_QXB_1"], dtype=object)
            tag.set_data_from_numpy(tags, binary_data=binary)
            wanted = [
                triton.InferRequestedOutput(name, binary_data=binary)
                for name in ("concept", "candidates")
            ]
            return client.infer(
                job.fine_tuned_model, [tag], outputs=wanted, headers=headers, model_version="1"
            )

        answer = await asyncio.to_thread(ask)
        said = [one.decode() if binary else one for one in answer.as_numpy("concept")]
        assert said == concepts[:2]
        assert answer.as_numpy("candidates").shape == (2, 5)

    async def test_an_anomaly_detector_goes_on_from_call_to_call(
        self, real: Gateway, openai: AsyncOpenAI
    ) -> None:
        unfitted = await real.http.post(
            "/v1/predictions", json={"model": ANOMALY, "instances": [{"flow": [1.0]}]}
        )
        assert unfitted.json()["error"]["code"] == "model_not_fitted"
        normal = hours(1, 600)
        names = [f"s{at}" for at in range(normal.shape[1])]
        sensors = {name: normal[:, at].tolist() for at, name in enumerate(names)}
        job = await adapted(openai, ANOMALY, lines({"sensors": sensors}))
        wild = leaking(leaking(leaking(hours(2, 60))))
        row: dict[str, Any] = {name: wild[:, at].tolist() for at, name in enumerate(names)}
        body = {"model": job.fine_tuned_model, "instances": [row]}
        first = (await real.http.post("/v1/predictions", json=body)).json()["predictions"][0]
        assert any(first["alarm"])
        row["state"] = first["state"]
        second = (await real.http.post("/v1/predictions", json=body)).json()["predictions"][0]
        assert all(second["alarm"])
