"""An account that runs batches with the official OpenAI client."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from openai import AsyncOpenAI
from openai.types import Batch as ClientBatch

from billing.tables import ApiKey, QuotaLease
from gateway.batches.batches import BATCH_ID_PREFIX
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.tables import Batch, BatchStatus
from infra import ids
from infra.database.database import Database
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.openai_client import openai_client

CHAT_URL = "/v1/chat/completions"
_PATIENCE_S = 60


def chat_line(custom_id: str, prompt: str, **fields: Any) -> dict[str, Any]:
    """A line that asks the chat model for three words."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": CHAT, "messages": messages, "max_tokens": 3, **fields}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT_URL, "body": body}


def chat_lines(count: int) -> list[dict[str, Any]]:
    return [chat_line(f"line-{n}", f"ask {n}") for n in range(count)]


def jsonl(lines: Sequence[Any]) -> bytes:
    """The lines as a file; texts are put in as they are."""
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines).encode()


def parsed(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


async def create_batch(http: httpx.AsyncClient, count: int = 3) -> str:
    """Upload a file of chat calls and create a batch of it; returns its id."""
    upload = await http.post(
        "/v1/files",
        data={"purpose": "batch"},
        files={"file": ("in.jsonl", jsonl(chat_lines(count)))},
    )
    body = {
        "input_file_id": upload.json()["id"],
        "endpoint": CHAT_URL,
        "completion_window": "24h",
    }
    answer = await http.post("/v1/batches", json=body)
    assert answer.status_code == 200, answer.text
    batch_id: str = answer.json()["id"]
    return batch_id


async def ended(database: Database, batch_id: str) -> None:
    """Wait until the batch has ended; polls the database."""
    async with asyncio.timeout(_PATIENCE_S):
        while not await _is_over(database, batch_id):  # noqa: ASYNC110  # another process tells nobody
            await asyncio.sleep(0.02)


async def _is_over(database: Database, batch_id: str) -> bool:
    async with database.transaction() as session:
        row = await session.get(Batch, ids.parse_id(BATCH_ID_PREFIX, batch_id))
    return row is not None and row.finished_at is not None


class Batcher:
    """Uploads files, creates batches, waits for their end and reads their results."""

    def __init__(self, gateway: Gateway, upstream: FakeUpstream) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.client: AsyncOpenAI = openai_client(gateway)

    async def upload(self, lines: Sequence[Any]) -> str:
        file = await self.client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
        return file.id

    async def create(
        self, lines: Sequence[Any], endpoint: Any = CHAT_URL, **options: Any
    ) -> ClientBatch:
        return await self.client.batches.create(
            input_file_id=await self.upload(lines),
            endpoint=endpoint,
            completion_window="24h",
            **options,
        )

    async def run(
        self, lines: Sequence[Any], endpoint: Any = CHAT_URL, **options: Any
    ) -> ClientBatch:
        """Create a batch and return it when it has ended."""
        return await self.ended((await self.create(lines, endpoint, **options)).id)

    async def ended(self, batch_id: str) -> ClientBatch:
        await ended(self.gateway.parts.database, batch_id)
        return await self.client.batches.retrieve(batch_id)

    async def results(self, batch: ClientBatch) -> list[dict[str, Any]]:
        """The lines of the output file."""
        assert batch.output_file_id is not None
        return parsed((await self.client.files.content(batch.output_file_id)).content)

    async def errors(self, batch: ClientBatch) -> list[dict[str, Any]]:
        """The lines of the error file."""
        assert batch.error_file_id is not None
        return parsed((await self.client.files.content(batch.error_file_id)).content)

    async def held(self, batch_id: str) -> list[tuple[int, int]]:
        """What the batch's hold has borrowed and used of each quota."""
        hold_id = ids.parse_id(BATCH_ID_PREFIX, batch_id)
        async with self.gateway.parts.database.transaction() as session:
            query = QuotaLease.__table__.select().where(  # type: ignore[attr-defined]
                QuotaLease.__table__.c.process_id == hold_id  # type: ignore[attr-defined]
            )
            rows = (await session.execute(query)).all()
        return [(row.borrowed, row.used) for row in rows]


def nano(amount: str) -> int:
    """An amount of the API in nano-units."""
    return round(float(amount) * 1e9)


def extra(batch: ClientBatch, name: str) -> str:
    """A field of this service's own."""
    assert batch.model_extra is not None
    value: str = batch.model_extra[f"x_maas_{name}"]
    return value


async def completed_batch(http: httpx.AsyncClient, database: Database, key: ApiKey) -> str:
    """Store a completed batch whose output and errors are its input file; returns its id."""
    content = {"file": ("in.jsonl", jsonl(chat_lines(1)))}
    upload = await http.post("/v1/files", data={"purpose": "batch"}, files=content)
    file_id = ids.parse_id(FILE_PREFIX, upload.json()["id"])
    files = {"input_file_id": file_id, "output_file_id": file_id, "error_file_id": file_id}
    status = {"status": BatchStatus.COMPLETED}
    row = await stored_batch(database, key.account_id, key.id, **files, **status)
    return ids.format_id(BATCH_ID_PREFIX, row.id)


async def stored_batch(database: Database, account_id: UUID, key_id: UUID, **values: Any) -> Batch:
    """A row of a batch of the chat model in progress, without lines and hold."""
    now = datetime.now(UTC)
    fields = {
        "endpoint": CHAT_URL,
        "model": CHAT,
        "input_file_id": ids.new_id(),
        "status": BatchStatus.IN_PROGRESS,
        "total": 10,
        "held_nano": 100,
        "currency": "CNY",
        "created_at": now,
        "expires_at": now + timedelta(hours=24),
        **values,
    }
    row = Batch(id=ids.new_id(), account_id=account_id, key_id=key_id, **fields)
    async with database.transaction() as session:
        session.add(row)
    return row
