"""A firm that asks its own texts, with the official client."""

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

# Each file is cut by a process of its own, which takes seconds where the processors are busy.
_PATIENCE_S = 120
RETRIEVING = next(one for one in CATALOG.models.values() if one.retrieval is not None)


# Only read, by one after another.
encoder = cache(load_encoder)


async def cut_here(order: ChunkRequest) -> list[str]:
    """The pieces of a file that can be cut, as the child tells them."""
    return chunk_file(order)


class Firm:
    """A firm that asks its own texts, with the official client."""

    def __init__(self, gateway: Gateway, openai: AsyncOpenAI) -> None:
        self.gateway = gateway
        self.openai = openai

    async def sends(self, content: str | bytes = MANUAL, name: str = "manual.md") -> str:
        raw = content.encode() if isinstance(content, str) else content
        return (await self.openai.files.create(file=(name, raw), purpose="user_data")).id

    async def store(self, *contents: str, name: str = "manual.md", **more: Any) -> str:
        """A store with these texts, ready."""
        ids = [await self.sends(content, name) for content in contents]
        store = await self.openai.vector_stores.create(name="M", file_ids=ids, **more)
        done = await self.ready(store.id)
        assert done.file_counts.completed == len(contents), done
        return store.id

    async def ready(self, store_id: str) -> Any:
        """The store, once no file of it is on its way. These are looked for in the database: to
        ask for the store again and again would be most of what a test takes."""
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
