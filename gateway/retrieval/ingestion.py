"""Ingest files into vector stores: a background loop in each gateway process, one file at a time.

    claim -> load the key -> chunk -> insert chunks -> (embed a batch -> bill) ... -> complete

Progress is kept in rows, so that another process can resume after a crash. Embeddings are stored
before the call that made them is billed, so that no chunk is billed twice. A file that takes longer
than `_MAX_TURN_S` is released to let other files proceed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.authenticator import Authenticator
from gateway.access.key_lookup import find_key_by_id
from gateway.access.price_book import PriceBook
from gateway.call.errors import CallTooLarge, KeyRevoked, RateLimited, Unavailable
from gateway.call.values import Principal
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.registry.files import read_content
from gateway.retrieval import chunks, ingestion_jobs, vector_stores
from gateway.retrieval.chunker_process import ChunkRequest, chunk_in_subprocess
from gateway.retrieval.embedder import Embedder, EmbeddingInput, Vector
from gateway.retrieval.search import STORE_TAG
from gateway.tables import VectorStoreFile
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.database.due_work import DueRows, Moment
from infra.errors import AppError
from infra.poller import Poller
from infra.timing import DEFAULT_TIMING, Timing
from models.catalog import Catalog, Model, Retrieval

_EXPIRY_CHECK_PERIOD_S = 60.0
# After this time, the file is released and another one gets a turn.
_MAX_TURN_S = 20.0
_EMBED_BATCH = 16


@dataclass(frozen=True, slots=True)
class IngestionDependencies:
    """The parts of a gateway process that ingestion uses."""

    catalog: Catalog
    clock: Clock
    database: Database
    price_book: PriceBook
    authenticator: Authenticator
    heartbeat: ProcessHeartbeat
    embedder: Embedder
    timing: Timing = DEFAULT_TIMING


class IngestionRunner(Poller):
    """The poller that ingests the files of vector stores; one per gateway process."""

    def __init__(self, dependencies: IngestionDependencies) -> None:
        super().__init__("knowledge", self._handle_one, dependencies.timing)
        self._deps = dependencies
        self._next_expiry_check = float("-inf")

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return the query of files to be ingested."""
        return (ingestion_jobs.QUEUE.claimable_rows(moment.now, moment.process_id),)

    async def _handle_one(self) -> bool:
        """Delete expired files when due, then work on one file. Returns whether there was one."""
        await self._delete_expired()
        return await self._process_next_file()

    async def _delete_expired(self) -> None:
        """Remove the files of expired vector stores, once per period."""
        now = self._deps.clock.monotonic()
        if now >= self._next_expiry_check:
            self._next_expiry_check = now + _EXPIRY_CHECK_PERIOD_S
            async with self._deps.database.transaction() as session:
                await ingestion_jobs.delete_expired_files(session, self._deps.clock)

    async def _process_next_file(self) -> bool:
        """Claim a file and ingest it for up to _MAX_TURN_S. Returns False if none is due."""
        deps = self._deps
        if not deps.heartbeat.is_alive:
            return False
        process_id = deps.heartbeat.process_id
        async with deps.database.transaction() as session:
            job = await ingestion_jobs.claim_next(session, deps.clock, process_id)
        if job is None:
            return False
        try:
            await self._ingest(job)
        except asyncio.CancelledError:
            await asyncio.shield(self._release_on_shutdown(job))
            raise
        except ingestion_jobs.IngestionCancelled:
            pass
        except (Unavailable, RateLimited, DatabaseUnavailable) as error:
            await self._retry_later(job, error)
        except AppError as error:
            await self._fail(job, error)
        except SQLAlchemyError:
            raise
        except Exception:
            self._log.exception("a file could not be ingested", file=str(job.file.id))
            await self._retry_later(job, Unavailable("Something went wrong on our side."))
        return True

    async def _ingest(self, job: ingestion_jobs.IngestionJob) -> None:
        """Chunk a file and embed its chunks for up to _MAX_TURN_S seconds; the rest stays due.

        Raises the error with which it failed, also one after which it can be retried.
        """
        if ingestion_jobs.QUEUE.retry.is_exceeded_by(job.file.attempts):
            raise ingestion_jobs.IngestionInterrupted(
                "Processing the file was interrupted several times."
            )
        model = vector_stores.require_store_model(self._deps.catalog, job.store)
        if job.file.pieces is None:
            await self._insert_chunks(job, model)
        principal = await self._load_principal(job)
        deadline, size = self._deps.clock.monotonic() + _MAX_TURN_S, _EMBED_BATCH
        while True:
            async with self._deps.database.transaction() as session:
                batch = await chunks.list_unembedded(session, job.file, size)
            if not batch:
                return await self._complete(job)
            if self._deps.clock.monotonic() > deadline:
                return await self._release(job)
            try:
                await self._embed(job, model, principal, batch)
            except CallTooLarge:
                if size == 1:
                    raise
                size = max(1, size // 4)

    async def _insert_chunks(self, job: ingestion_jobs.IngestionJob, model: Model) -> None:
        """Chunk the file and insert its chunks; after a crash, delete them and start over."""
        deps, file = self._deps, job.file
        async with deps.database.transaction() as session:
            content = await read_content(session, file.account_id, file.file_id)
            filename = await ingestion_jobs.get_filename(session, file)
        request = ChunkRequest(
            filename, content, file.piece_tokens, file.overlap_tokens, model.weights.kind
        )
        texts = await chunk_in_subprocess(request)
        async with deps.database.transaction() as session:
            await self._lock_file(session, job)
            await chunks.prepare_chunks(session, file, len(texts))
        for batch in chunks.split_into_batches(texts):
            async with deps.database.transaction() as session:
                await self._lock_file(session, job)
                await chunks.insert_chunks(session, file, batch)
        async with deps.database.transaction() as session:
            row = await self._lock_file(session, job)
            row.pieces = len(texts)

    async def _embed(
        self,
        job: ingestion_jobs.IngestionJob,
        model: Model,
        principal: Principal,
        batch: Sequence[tuple[UUID, str]],
    ) -> None:
        """Embed a batch of chunks by one billed call and store the embeddings."""
        prefix = (model.retrieval or Retrieval()).passage
        tags = {
            **(job.file.tags or {}),
            STORE_TAG: ids.format_id(vector_stores.PREFIX, job.store.id),
        }

        async def store(vectors: list[Vector]) -> None:
            """Store the vectors and reset the file's attempts. Raises IngestionCancelled."""
            embeddings = dict(zip((chunk_id for chunk_id, _ in batch), vectors, strict=True))
            async with self._deps.database.transaction() as session:
                row = await self._lock_file(session, job)
                await chunks.store_embeddings(session, job.file.account_id, embeddings)
                row.attempts = 1

        texts = EmbeddingInput(model, [prefix + text for _, text in batch], tags)
        await self._deps.embedder.embed(principal, texts, store)

    async def _load_principal(self, job: ingestion_jobs.IngestionJob) -> Principal:
        """Return the principal of the key that added the file, as of now.

        Raises KeyRevoked, and the errors of a key or account that may not make calls.
        """
        deps = self._deps
        async with deps.database.transaction() as session:
            now, file = deps.clock.now(), job.file
            key = await find_key_by_id(session, deps.price_book, file.account_id, file.key_id, now)
        if key is None:
            raise KeyRevoked("The API key that added the file no longer exists.")
        principal = deps.authenticator.require_active(key)
        deps.authenticator.require_not_suspended(key)
        return principal

    async def _complete(self, job: ingestion_jobs.IngestionJob) -> None:
        """Store the size of the file's chunks in bytes and mark the file as completed."""
        async with self._deps.database.transaction() as session:
            row = await self._lock_file(session, job)
            row.usage_bytes = await chunks.stored_bytes(session, row)
            ingestion_jobs.mark_completed(row)

    async def _release(self, job: ingestion_jobs.IngestionJob) -> None:
        """Release the file after progress: it is due again at once."""
        async with self._deps.database.transaction() as session:
            ingestion_jobs.release(
                self._deps.clock, await self._lock_file(session, job), made_progress=True
            )

    async def _retry_later(self, job: ingestion_jobs.IngestionJob, error: AppError) -> None:
        """Release the file to be retried after a delay; fail it after the last attempt."""
        with suppress(ingestion_jobs.IngestionCancelled):
            async with self._deps.database.transaction() as session:
                row = await self._lock_file(session, job)
                if ingestion_jobs.QUEUE.retry.gives_up_after(row.attempts):
                    ingestion_jobs.mark_failed(row, error)
                else:
                    ingestion_jobs.release(self._deps.clock, row, made_progress=False)

    async def _fail(self, job: ingestion_jobs.IngestionJob, error: AppError) -> None:
        """Mark the file as failed; does nothing if the claim is lost."""
        with suppress(ingestion_jobs.IngestionCancelled):
            async with self._deps.database.transaction() as session:
                ingestion_jobs.mark_failed(await self._lock_file(session, job), error)

    async def _release_on_shutdown(self, job: ingestion_jobs.IngestionJob) -> None:
        """Release the file when the process stops, so that another one can claim it at once."""
        with suppress(ingestion_jobs.IngestionCancelled, DatabaseUnavailable):
            async with self._deps.database.transaction() as session:
                ingestion_jobs.release(
                    self._deps.clock, await self._lock_file(session, job), made_progress=True
                )

    async def _lock_file(
        self, session: AsyncSession, job: ingestion_jobs.IngestionJob
    ) -> VectorStoreFile:
        """Lock and return the file's row. Raises IngestionCancelled if the claim is lost."""
        return await ingestion_jobs.lock_claimed_file(session, job, self._deps.heartbeat.process_id)
