"""What tests of adaptations share: the official client, a training file and jobs that end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI

from tests import builders
from tests.builders import REMAINING_LIFE, Gateway


class Customer:
    """A firm that adapts the remaining life, with the official client."""

    def __init__(self, gateway: Gateway, openai: AsyncOpenAI) -> None:
        self.gateway = gateway
        self.openai = openai

    async def sends(self, do: str = "8") -> str:
        """A training file which tells the server what to do; its id."""
        content = b'{"do": "' + do.encode() + b'"}\n'
        file = await self.openai.files.create(file=("line.jsonl", content), purpose="fine-tune")
        return file.id

    async def asks(self, do: str = "8", suffix: str = "line-3", **more: Any) -> Any:
        return await self.openai.fine_tuning.jobs.create(
            model=REMAINING_LIFE, training_file=await self.sends(do), suffix=suffix, **more
        )

    async def ended(self, job_id: str) -> Any:
        for _ in range(300):
            job = await self.openai.fine_tuning.jobs.retrieve(job_id)
            if job.status not in ("queued", "running"):
                return job
            await asyncio.sleep(0.05)
        raise AssertionError("the job does not end")

    async def adapts(self, do: str = "8", suffix: str = "line-3") -> Any:
        return await self.ended((await self.asks(do, suffix)).id)

    async def predicts(self, model: str) -> Any:
        body = {"model": model, "instances": [{"T24": [1.0, 2.0]}]}
        return await self.gateway.http.post("/v1/predictions", json=body)


@pytest.fixture
async def customer(gateway: Gateway) -> AsyncIterator[Customer]:
    async with client(gateway.url, gateway.key.secret) as openai:
        yield Customer(gateway, openai)


def client(url: str, secret: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0)


@asynccontextmanager
async def another(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The client of another firm."""
    parts = gateway.parts
    _, key = await builders.customer(parts.database, parts.settings, "Bolt 紧固件")
    async with client(gateway.url, key.secret) as openai:
        yield openai


def code_of(error: APIStatusError) -> Any:
    body: Any = error.body
    return body["code"]
