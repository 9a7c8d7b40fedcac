"""Accounts that fine-tune models, with the official client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient

from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.tables import Adaptation
from infra import ids
from tests.support import builders
from tests.support.builders import NO_TLS, REMAINING_LIFE, Gateway
from tests.support.gateway.dialogues import INDUSTRY, dialogues
from tests.support.gateway.errors import error_of
from tests.support.gateway.machines import machines


class Customer:
    """An account that fine-tunes the remaining-life specialist."""

    model = REMAINING_LIFE

    def __init__(self, gateway: Gateway, openai: AsyncOpenAI) -> None:
        self.gateway = gateway
        self.openai = openai

    def content(self, do: str) -> bytes:
        return machines(do)

    async def sends(self, do: str = "8") -> str:
        """Upload a training file that controls the fake server; returns its id."""
        return await self.sends_file(self.content(do))

    async def sends_file(self, content: bytes) -> str:
        file = await self.openai.files.create(file=("line.jsonl", content), purpose="fine-tune")
        return file.id

    async def asks(self, do: str = "8", suffix: str = "line-3", **more: Any) -> Any:
        return await self.asks_for(await self.sends(do), suffix=suffix, **more)

    async def asks_for(self, file: str, **more: Any) -> Any:
        """What OpenAI's job has not got, of what is asked for, goes as its `extra_body`."""
        return await self.openai.fine_tuning.jobs.create(
            model=self.model, training_file=file, **more
        )

    async def ended(self, job_id: str) -> Any:
        """The job, once it is over. It is looked for in the database: to ask for it again and
        again would be most of what a test takes."""
        async with asyncio.timeout(20):
            while not await self._over(job_id):  # noqa: ASYNC110  # another process tells nobody
                await asyncio.sleep(0.02)
        return await self.openai.fine_tuning.jobs.retrieve(job_id)

    async def _over(self, job_id: str) -> bool:
        async with self.gateway.parts.database.transaction() as session:
            job = await session.get(Adaptation, ids.parse_id(JOB_ID_PREFIX, job_id))
        return job is not None and job.finished_at is not None

    async def adapts(self, do: str = "8", suffix: str = "line-3") -> Any:
        return await self.ended((await self.asks(do, suffix)).id)

    async def predicts(self, model: str) -> Any:
        body = {"model": model, "instances": [{"T24": [1.0, 2.0]}]}
        return await self.gateway.http.post("/v1/predictions", json=body)


class Talker(Customer):
    """An account that fine-tunes a language model."""

    model = INDUSTRY

    def content(self, do: str) -> bytes:
        return dialogues(f"do {do}")

    async def refused(self, content: bytes) -> dict[str, Any]:
        """The error for a job of such a file, which is not created."""
        body = {"model": self.model, "training_file": await self.sends_file(content)}
        answer = await self.gateway.http.post("/v1/fine_tuning/jobs", json=body)
        assert answer.status_code == 400
        assert (await self.openai.fine_tuning.jobs.list()).data == []
        return error_of(answer)

    async def says(self, model: str, prompt: str = "pump leaks", **more: Any) -> Any:
        message: Any = {"role": "user", "content": prompt}
        return await self.openai.chat.completions.create(
            model=model, messages=[message], max_tokens=5, **more
        )


def client(url: str, secret: str) -> AsyncOpenAI:
    http = DefaultAsyncHttpxClient(verify=NO_TLS)
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0, http_client=http)


@asynccontextmanager
async def another(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    """The client of another account."""
    parts = gateway.parts
    _, key = await builders.customer(parts.database, parts.settings, "Bolt 紧固件")
    async with client(gateway.url, key.secret) as openai:
        yield openai


def code_of(error: APIStatusError) -> Any:
    body: Any = error.body
    return body["code"]
