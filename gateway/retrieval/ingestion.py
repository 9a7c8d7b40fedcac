"""Taking files into stores: one at a time in each gateway process, beside its calls.

    claim -> who asked -> cut -> lay down -> (vectors of some pieces -> bill) ... -> complete

What is done is rows: a file whose process was lost goes on where it was, and what was billed is not
billed again, since its pieces have their vectors before that. A file that takes long is let go now
and then, so that others come to their turn.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.authenticator import Authenticator
from gateway.access.key_lookup import key_by_id
from gateway.access.price_book import Contracts
from gateway.call.errors import CallTooLarge, KeyRevoked, RateLimited, Unavailable
from gateway.call.values import Principal
from gateway.quota.process_heartbeat import Membership
from gateway.registry.files import content_of
from gateway.retrieval import chunks, ingestion_jobs, vector_stores
from gateway.retrieval.chunker_process import Order, cut
from gateway.retrieval.embedder import Embedder, Texts, Vector
from gateway.retrieval.search import STORE_TAG
from gateway.tables import VectorStoreFile
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from infra.poller import Poller
from infra.timing import USUAL, Timing
from models.catalog import Catalog, Model, Retrieval

_TIDY_S = 60.0
# After that another file has its turn.
_TURN_S = 20.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Tools:
    """What the runner works with: the gateway process's own parts."""

    catalog: Catalog
    profile: str
    clock: Clock
    database: Database
    contracts: Contracts
    authenticator: Authenticator
    membership: Membership
    embedder: Embedder
    timing: Timing = USUAL


class KnowledgeRunner(Poller):
    """Of one gateway process."""

    def __init__(self, tools: Tools) -> None:
        super().__init__("knowledge", self._one, tools.timing)
        self._tools = tools
        self._next_tidy = float("-inf")

    async def _one(self) -> bool:
        await self._tidy()
        return await self._file()

    async def _tidy(self) -> None:
        now = self._tools.clock.monotonic()
        if now >= self._next_tidy:
            self._next_tidy = now + _TIDY_S
            async with self._tools.database.transaction() as session:
                await ingestion_jobs.tidy(session, self._tools.clock)

    async def _file(self) -> bool:
        tools = self._tools
        if not tools.membership.alive:
            return False
        process_id = tools.membership.process_id
        async with tools.database.transaction() as session:
            job = await ingestion_jobs.claim(session, tools.clock, process_id)
        if job is None:
            return False
        try:
            await self._work(job)
        except asyncio.CancelledError:
            await asyncio.shield(self._forget(job))
            raise
        except ingestion_jobs.Abandoned:
            pass
        except (Unavailable, RateLimited, DatabaseUnavailable) as error:
            await self._later(job, error)
        except AppError as error:
            await self._fail(job, error)
        except SQLAlchemyError:
            raise
        except Exception:
            self._log.exception("a file cannot be taken in", file=str(job.file.id))
            await self._later(job, Unavailable("Something went wrong on our side."))
        return True

    async def _work(self, job: ingestion_jobs.Job) -> None:
        """A turn at a file. Raises what it fails for, and what it has to wait for."""
        if job.file.attempts > ingestion_jobs.MOST_ATTEMPTS:
            raise ingestion_jobs.Interrupted("The work on the file was interrupted several times.")
        model = vector_stores.model_of(self._tools.catalog, job.store)
        if job.file.pieces is None:
            await self._cut(job, model)
        principal = await self._principal(job)
        until, size = self._tools.clock.monotonic() + _TURN_S, _AT_ONCE
        while True:
            async with self._tools.database.transaction() as session:
                waiting = await chunks.without_vectors(session, job.file, size)
            if not waiting:
                return await self._complete(job)
            if self._tools.clock.monotonic() > until:
                return await self._let_go(job)
            try:
                await self._embed(job, model, principal, waiting)
            except CallTooLarge:
                if size == 1:
                    raise
                size = max(1, size // 4)

    async def _cut(self, job: ingestion_jobs.Job, model: Model) -> None:
        """Lay down the file's pieces, all or, after a loss, all anew."""
        tools, file = self._tools, job.file
        async with tools.database.transaction() as session:
            content = await content_of(session, file.account_id, file.file_id)
            name = await ingestion_jobs.filename_of(session, file)
        order = Order(
            name, content, file.piece_tokens, file.overlap_tokens, model.id, tools.profile
        )
        texts = await cut(order)
        async with tools.database.transaction() as session:
            await self._mine(session, job)
            await chunks.begin(session, file, len(texts))
        for some in chunks.parts(texts):
            async with tools.database.transaction() as session:
                await self._mine(session, job)
                await chunks.lay_down(session, file, some)
        async with tools.database.transaction() as session:
            row = await self._mine(session, job)
            row.pieces = len(texts)

    async def _embed(
        self,
        job: ingestion_jobs.Job,
        model: Model,
        principal: Principal,
        waiting: Sequence[tuple[UUID, str]],
    ) -> None:
        """Some pieces' vectors, by one call that is billed."""
        prefix = (model.retrieval or Retrieval()).passage
        tags = {**(job.file.tags or {}), STORE_TAG: ids.show(vector_stores.PREFIX, job.store.id)}

        async def keep(vectors: list[Vector]) -> None:
            which = dict(zip((piece for piece, _ in waiting), vectors, strict=True))
            async with self._tools.database.transaction() as session:
                row = await self._mine(session, job)
                await chunks.give_vectors(session, job.file.account_id, which)
                row.attempts = 1

        texts = Texts(model, [prefix + text for _, text in waiting], tags)
        await self._tools.embedder.embed(principal, texts, keep)

    async def _principal(self, job: ingestion_jobs.Job) -> Principal:
        """Who asked, as it stands now. Raises what forbids it."""
        tools = self._tools
        async with tools.database.transaction() as session:
            at, file = tools.clock.now(), job.file
            known = await key_by_id(session, tools.contracts, file.account_id, file.key_id, at)
        if known is None:
            raise KeyRevoked("The key that asked for the file is gone.")
        principal = tools.authenticator.require_active(known)
        tools.authenticator.require_paying(known)
        return principal

    async def _complete(self, job: ingestion_jobs.Job) -> None:
        async with self._tools.database.transaction() as session:
            row = await self._mine(session, job)
            row.usage_bytes = await chunks.size_of(session, row)
            ingestion_jobs.complete(row)

    async def _let_go(self, job: ingestion_jobs.Job) -> None:
        async with self._tools.database.transaction() as session:
            ingestion_jobs.let_go(self._tools.clock, await self._mine(session, job), came_on=True)

    async def _later(self, job: ingestion_jobs.Job, error: AppError) -> None:
        """Try again after a while; of something that never gets better, not for ever."""
        with suppress(ingestion_jobs.Abandoned):
            async with self._tools.database.transaction() as session:
                row = await self._mine(session, job)
                if row.attempts >= ingestion_jobs.MOST_ATTEMPTS:
                    ingestion_jobs.fail(row, error)
                else:
                    ingestion_jobs.let_go(self._tools.clock, row, came_on=False)

    async def _fail(self, job: ingestion_jobs.Job, error: AppError) -> None:
        with suppress(ingestion_jobs.Abandoned):
            async with self._tools.database.transaction() as session:
                ingestion_jobs.fail(await self._mine(session, job), error)

    async def _forget(self, job: ingestion_jobs.Job) -> None:
        with suppress(ingestion_jobs.Abandoned, DatabaseUnavailable):
            async with self._tools.database.transaction() as session:
                ingestion_jobs.let_go(
                    self._tools.clock, await self._mine(session, job), came_on=True
                )

    async def _mine(self, session: AsyncSession, job: ingestion_jobs.Job) -> VectorStoreFile:
        return await ingestion_jobs.require_mine(session, job, self._tools.membership.process_id)
