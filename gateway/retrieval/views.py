"""What customers see of stores, their files and what was found: OpenAI's objects."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.retrieval.hybrid_search import Passage
from gateway.retrieval.store_files import BATCH_PREFIX
from gateway.retrieval.vector_stores import PREFIX, has_expired
from gateway.tables import FileStatus, VectorStore, VectorStoreFile
from infra import ids
from infra.clock import Clock

Sizes = Mapping[str, tuple[int, int]]


def store_json(store: VectorStore, sizes: Sizes, clock: Clock) -> dict[str, Any]:
    """OpenAI's vector store; `embedding_model` is which made its vectors."""
    days = store.expires_after_days
    ends = None if days is None else store.last_active_at + timedelta(days=days)
    working = FileStatus.IN_PROGRESS in sizes
    status = FileStatus.IN_PROGRESS if working else FileStatus.COMPLETED
    return {
        "id": ids.show(PREFIX, store.id),
        "object": "vector_store",
        "created_at": _seconds(store.created_at),
        "name": store.name,
        "usage_bytes": sum(size for _, size in sizes.values()),
        "file_counts": _counts(sizes),
        "status": "expired" if has_expired(store, clock) else status,
        "expires_after": None if days is None else {"anchor": "last_active_at", "days": days},
        "expires_at": None if ends is None else _seconds(ends),
        "last_active_at": _seconds(store.last_active_at),
        "metadata": store.labels,
        "embedding_model": store.embedding_model,
    }


def file_json(row: VectorStoreFile) -> dict[str, Any]:
    """OpenAI's file of a vector store."""
    return {
        "id": ids.show(FILE_PREFIX, row.file_id),
        "object": "vector_store.file",
        "created_at": _seconds(row.created_at),
        "vector_store_id": ids.show(PREFIX, row.vector_store_id),
        "status": row.status,
        "last_error": row.last_error,
        "usage_bytes": row.usage_bytes,
        "attributes": row.attributes,
        "chunking_strategy": {
            "type": "static",
            "static": {
                "max_chunk_size_tokens": row.piece_tokens,
                "chunk_overlap_tokens": row.overlap_tokens,
            },
        },
    }


def batch_json(
    batch_id: UUID, store: VectorStore, created_at: datetime, sizes: Sizes
) -> dict[str, Any]:
    """OpenAI's batch of files."""
    working = FileStatus.IN_PROGRESS in sizes
    cancelled = FileStatus.CANCELLED in sizes and not working
    status = FileStatus.CANCELLED if cancelled else FileStatus.COMPLETED
    return {
        "id": ids.show(BATCH_PREFIX, batch_id),
        "object": "vector_store.files_batch",
        "created_at": _seconds(created_at),
        "vector_store_id": ids.show(PREFIX, store.id),
        "status": FileStatus.IN_PROGRESS if working else status,
        "file_counts": _counts(sizes),
    }


def results_json(queries: Sequence[str], passages: Iterable[Passage]) -> dict[str, Any]:
    """OpenAI's page of search results, the best first."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": [
            {
                **passage_json(passage),
                "content": [{"type": "text", "text": passage.text}],
            }
            for passage in passages
        ],
        "has_more": False,
        "next_page": None,
    }


def passage_json(passage: Passage) -> dict[str, Any]:
    """Where a passage is from, and its score."""
    return {
        "file_id": ids.show(FILE_PREFIX, passage.file_id),
        "filename": passage.filename,
        "score": passage.score,
        "attributes": dict(passage.attributes),
    }


def _counts(sizes: Sizes) -> dict[str, int]:
    counts = {str(status): sizes.get(status, (0, 0))[0] for status in FileStatus}
    return {**counts, "total": sum(counts.values())}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
