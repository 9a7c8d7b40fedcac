"""Train a model of own columns as a customer does: upload, job, wait; and delete it afterwards."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from load.bench.own_columns.examples import Example

_POLL_INTERVAL_S = 0.2


class JobFailed(RuntimeError):
    """A training job that did not succeed, with its error."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A customer's model, the file that it was trained on, and the seconds of the job."""

    model: str
    file: str
    seconds: float


async def train(
    session: aiohttp.ClientSession, url: str, base: str, example: Example
) -> TrainedModel:
    """Upload the file and train until the job ends. Raises JobFailed."""
    file = await _upload(session, url, example.csv())
    began = time.perf_counter()
    body = {"model": base, "training_file": file, "suffix": "bench", "schema": example.schema}
    path = f"{url}/v1/fine_tuning/jobs"
    async with session.post(path, json=body) as answer:
        job = await _json(answer)
    while job["status"] in ("queued", "running"):
        await asyncio.sleep(_POLL_INTERVAL_S)
        async with session.get(f"{path}/{job['id']}") as answer:
            job = await _json(answer)
    if job["status"] != "succeeded":
        raise JobFailed(json.dumps(job["error"]))
    return TrainedModel(str(job["fine_tuned_model"]), file, time.perf_counter() - began)


async def delete(session: aiohttp.ClientSession, url: str, trained: TrainedModel) -> None:
    """Delete a model with all its versions, and its file."""
    for path in (f"models/{trained.model}", f"files/{trained.file}"):
        async with session.delete(f"{url}/v1/{path}") as answer:
            await _json(answer)


async def _upload(session: aiohttp.ClientSession, url: str, content: bytes) -> str:
    """Upload a training file and return its id."""
    form = aiohttp.FormData()
    form.add_field("purpose", "fine-tune")
    form.add_field("file", content, filename="bench.csv")
    async with session.post(f"{url}/v1/files", data=form) as answer:
        return str((await _json(answer))["id"])


async def _json(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """Return the content of a response. Raises RuntimeError with the error's text."""
    if answer.status >= 400:
        raise RuntimeError(f"{answer.url.path}: status {answer.status}: {await answer.text()}")
    content: Mapping[str, Any] = await answer.json()
    return content
