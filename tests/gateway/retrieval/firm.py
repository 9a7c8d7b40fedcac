"""A firm with vector stores, used through the official OpenAI client."""

import asyncio
from functools import cache
from typing import Any

from openai import AsyncOpenAI
from sqlmodel import col, select

from gateway.retrieval.chunker_process import ChunkRequest, chunk_file
from gateway.retrieval.vector_stores import PREFIX
from gateway.tables import FileStatus, VectorStoreFile
from infra import ids
from models.multilingual import load_encoder
from tests.support.builders import CATALOG, Gateway

SMALL: Any = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
}
MANUAL = """# Drive F7

Fault F30001 means overcurrent of the power unit. Check the motor cable for a short circuit.

# Bearings

The spindle bearing 6205-2RS is greased every 2000 hours with lithium grease.

# 冷却

冷却水温度过高时，先检查水泵，再清洗过滤器。
"""

# Each file is chunked in its own subprocess, which takes seconds on a busy machine.
_PATIENCE_S = 120
RETRIEVING = next(one for one in CATALOG.models.values() if one.retrieval is not None)


# Loaded once: tests only read it, one at a time.
encoder = cache(load_encoder)


async def cut_here(order: ChunkRequest) -> list[str]:
    """Chunk a file in this process, as the subprocess does."""
    return chunk_file(order)


class Firm:
    """An account that uploads files and searches them through the official client."""

    def __init__(self, gateway: Gateway, openai: AsyncOpenAI) -> None:
        self.gateway = gateway
        self.openai = openai

    async def sends(self, content: str | bytes = MANUAL, name: str = "manual.md") -> str:
        raw = content.encode() if isinstance(content, str) else content
        return (await self.openai.files.create(file=(name, raw), purpose="user_data")).id

    async def store(self, *contents: str, name: str = "manual.md", **more: Any) -> str:
        """Create a vector store with these texts and wait until they are indexed."""
        ids = [await self.sends(content, name) for content in contents]
        store = await self.openai.vector_stores.create(name="M", file_ids=ids, **more)
        done = await self.ready(store.id)
        assert done.file_counts.completed == len(contents), done
        return store.id

    async def ready(self, store_id: str) -> Any:
        """Wait until no file of the store is in progress and return the store. Polls the database,
        because polling the API would dominate a test's run time."""
        async with asyncio.timeout(_PATIENCE_S):
            while await self._awaits(store_id):  # noqa: ASYNC110  # a child tells nobody
                await asyncio.sleep(0.01)
        return await self.openai.vector_stores.retrieve(store_id)

    async def _awaits(self, store_id: str) -> bool:
        query = select(VectorStoreFile.id).where(
            col(VectorStoreFile.vector_store_id) == ids.parse_id(PREFIX, store_id),
            col(VectorStoreFile.status) == FileStatus.IN_PROGRESS,
        )
        async with self.gateway.parts.database.transaction() as session:
            return (await session.scalars(query)).first() is not None

    async def finds(self, store_id: str, query: Any, **more: Any) -> list[Any]:
        return (await self.openai.vector_stores.search(store_id, query=query, **more)).data
