"""Fine-tuning a model as a customer does: upload a file, run a job, call the variant."""

import asyncio
import json
from typing import Any

from openai import AsyncOpenAI


def lines(*each: Any) -> bytes:
    return "\n".join(json.dumps(one) for one in each).encode()


async def finished(openai: AsyncOpenAI, job_id: str) -> Any:
    """Return a job once it has ended."""
    job = await openai.fine_tuning.jobs.retrieve(job_id)
    while job.status in ("queued", "running"):
        await asyncio.sleep(0.3)
        job = await openai.fine_tuning.jobs.retrieve(job_id)
    return job


async def adapted(openai: AsyncOpenAI, model: str, content: bytes, **more: Any) -> Any:
    """Run a job until it succeeds and the gateway serves its variant; returns the job.

    `more` are fields of the job that only this platform has."""
    file = await openai.files.create(file=("line.jsonl", content), purpose="fine-tune")
    job = await openai.fine_tuning.jobs.create(
        model=model, training_file=file.id, suffix="line-3", extra_body=more or None
    )
    job = await finished(openai, job.id)
    assert job.status == "succeeded", job.error
    for _ in range(100):
        if job.fine_tuned_model in {model.id for model in (await openai.models.list()).data}:
            return job
        await asyncio.sleep(0.1)
    raise AssertionError("the gateway does not hear of the variant")
