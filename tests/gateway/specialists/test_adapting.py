"""Fine-tuning of specialists through the gateway, with official clients."""

import asyncio
from typing import Any

import numpy as np
import tritonclient.http as triton
from openai import AsyncOpenAI

from models.catalog import Task
from tests.support.adaptations import adapted, lines
from tests.support.builders import CATALOG, Gateway
from tests.support.models.made_up_rig import hours, leaking
from tests.support.nightly import nightly
from tests.support.training_files import confirmations

TAGS = CATALOG.with_task(Task.ALIGNMENT)[0].id
ANOMALY = CATALOG.with_task(Task.ANOMALY_DETECTION)[0].id


@nightly
async def test_adapted_tag_aligner_answers_predictions_and_tritonclient(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    """With named columns, and with NVIDIA's client in JSON and in binary."""
    content, concepts = confirmations()
    job = await adapted(openai, TAGS, content)
    body = {"model": job.fine_tuned_model, "instances": [{"tag": "cellar_QXC_2"}]}
    answer = await real.http.post("/v1/predictions", json=body)
    assert answer.json()["predictions"][0]["concept"] == concepts[2]
    for binary in (False, True):
        found = await asyncio.to_thread(_asked, real, job.fine_tuned_model, binary)
        said = [one.decode() if binary else one for one in found.as_numpy("concept")]
        assert said == concepts[:2]
        assert found.as_numpy("candidates").shape == (2, 5)


def _asked(gateway: Gateway, model: str, binary: bool) -> triton.InferResult:
    headers = {"authorization": f"Bearer {gateway.key.secret}"}
    client = triton.InferenceServerClient(gateway.url.removeprefix("http://"))
    try:
        assert client.is_model_ready(model, headers=headers)
        tag = triton.InferInput("tag", [2], "BYTES")
        tags = np.array(["cellar_QXA_0", "cellar_QXB_1"], dtype=object)
        tag.set_data_from_numpy(tags, binary_data=binary)
        wanted = [
            triton.InferRequestedOutput(name, binary_data=binary)
            for name in ("concept", "candidates")
        ]
        return client.infer(model, [tag], outputs=wanted, headers=headers, model_version="1")
    finally:
        client.close()


async def test_anomaly_detector_continues_from_the_returned_state(
    real: Gateway, openai: AsyncOpenAI
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
