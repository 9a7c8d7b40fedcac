"""Format vector stores, their files and search results as OpenAI's objects."""

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

# File count and bytes by file status.
FileCounts = Mapping[str, tuple[int, int]]


def store_json(store: VectorStore, counts: FileCounts, clock: Clock) -> dict[str, Any]:
    """Return OpenAI's vector store object, with `embedding_model` as an extension."""
    days = store.expires_after_days
    expires_at = None if days is None else store.last_active_at + timedelta(days=days)
    in_progress = FileStatus.IN_PROGRESS in counts
    status = FileStatus.IN_PROGRESS if in_progress else FileStatus.COMPLETED
    return {
        "id": ids.format_id(PREFIX, store.id),
        "object": "vector_store",
        "created_at": _unix_seconds(store.created_at),
        "name": store.name,
        "usage_bytes": sum(size for _, size in counts.values()),
        "file_counts": _file_counts(counts),
        "status": "expired" if has_expired(store, clock) else status,
        "expires_after": None if days is None else {"anchor": "last_active_at", "days": days},
        "expires_at": None if expires_at is None else _unix_seconds(expires_at),
        "last_active_at": _unix_seconds(store.last_active_at),
        "metadata": store.labels,
        "embedding_model": store.embedding_model,
    }


def file_json(row: VectorStoreFile) -> dict[str, Any]:
    """Return OpenAI's vector store file object."""
    return {
        "id": ids.format_id(FILE_PREFIX, row.file_id),
        "object": "vector_store.file",
        "created_at": _unix_seconds(row.created_at),
        "vector_store_id": ids.format_id(PREFIX, row.vector_store_id),
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
    batch_id: UUID, store: VectorStore, created_at: datetime, counts: FileCounts
) -> dict[str, Any]:
    """Return OpenAI's vector store file batch object."""
    in_progress = FileStatus.IN_PROGRESS in counts
    is_cancelled = FileStatus.CANCELLED in counts and not in_progress
    status = FileStatus.CANCELLED if is_cancelled else FileStatus.COMPLETED
    return {
        "id": ids.format_id(BATCH_PREFIX, batch_id),
        "object": "vector_store.files_batch",
        "created_at": _unix_seconds(created_at),
        "vector_store_id": ids.format_id(PREFIX, store.id),
        "status": FileStatus.IN_PROGRESS if in_progress else status,
        "file_counts": _file_counts(counts),
    }


def search_results_json(queries: Sequence[str], passages: Iterable[Passage]) -> dict[str, Any]:
    """Return OpenAI's page of search results, best first."""
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
    """Return the source file, score and attributes of a passage."""
    return {
        "file_id": ids.format_id(FILE_PREFIX, passage.file_id),
        "filename": passage.filename,
        "score": passage.score,
        "attributes": dict(passage.attributes),
        **({"plant_path": list(passage.path)} if passage.path else {}),
    }


def _file_counts(counts_by_status: FileCounts) -> dict[str, int]:
    """Return OpenAI's `file_counts`: files by status, and their total."""
    counts = {str(status): counts_by_status.get(status, (0, 0))[0] for status in FileStatus}
    return {**counts, "total": sum(counts.values())}


def _unix_seconds(moment: datetime) -> int:
    """Return a moment as whole Unix seconds."""
    return int(moment.timestamp())
