"""Running adaptation jobs: one at a time in each gateway process, beside its calls.

    claim -> who asked -> hold -> learn -> keep -> bill -> make live -> wait until all serve it

Owns that order: it bills by the usage row of a call like any other, which is durable before the
variant can be called, and a job whose process was lost goes on elsewhere, without being billed
twice.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from billing.metering.key_epoch import read_epoch
from billing.rating.quantities import Quantities
from billing.tables import Settlement, Usage
from gateway.access.key_lookup import key_by_id
from gateway.access.price_book import Contracts
from gateway.access.propagation import Propagation
from gateway.call.errors import (
    KeyRevoked,
    ModelNotFound,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.call.tags import VARIANT
from gateway.call.values import Ask, Call, Completion, Principal, Ticket
from gateway.fine_tuning import jobs
from gateway.fine_tuning.call import call_of
from gateway.fine_tuning.pii_scrubber import scrub
from gateway.fine_tuning.progress_stream import LearnedVariant, Line, lines_of, refusal_of
from gateway.inference.pipeline import Stages
from gateway.quota.process_heartbeat import Membership
from gateway.registry import variants
from gateway.registry.files import content_of
from gateway.tables import Adaptation
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router
from gateway.wire.fine_tuning import MOST_TEXT_S, SENSITIVITY, ask_adaptation
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.poller import Poller
from infra.timing import USUAL, Timing
from models.catalog import Catalog

# Learning itself is bounded by the server; before that the job may wait for others there.
_PATIENCE_S = 4.0 * MOST_TEXT_S


class AdaptationWorse(AppError):
    """The variant does worse than its base on examples that neither has learned from."""

    status = 400
    type = "invalid_request_error"
    code = "adaptation_worse"


@dataclass(frozen=True, slots=True)
class Tools:
    """What the runner works with: the gateway process's own parts."""

    catalog: Catalog
    clock: Clock
    database: Database
    contracts: Contracts
    stages: Stages
    membership: Membership
    router: Router
    upstream: Upstream
    propagation: Propagation
    timing: Timing = USUAL


class AdaptationRunner(Poller):
    """Of one gateway process."""

    def __init__(self, tools: Tools) -> None:
        super().__init__("adaptations", self._one, tools.timing)
        self._tools = tools

    async def _one(self) -> bool:
        tools = self._tools
        if not tools.membership.alive:
            return False
        async with tools.database.transaction() as session:
            job = await jobs.claim(session, tools.clock, tools.membership.process_id)
        if job is None:
            return False
        try:
            await self._work(job)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(job, "The service is being stopped."))
            raise
        except Unavailable as error:
            await self._release(job, error.message)
            await asyncio.sleep(self._timing.work_poll_s)
        except AppError as error:
            await self._fail(job, error)
        except Exception:
            self._log.exception("an adaptation failed", job=str(job.id))
            await self._fail(job, UpstreamFailed("Something went wrong on our side."))
        return True

    async def _work(self, job: Adaptation) -> None:
        """One try at a job. Raises what it fails for."""
        if job.attempts > 1 and await self._billed(job):
            return await self._publish(job)
        if job.attempts > jobs.MOST_ATTEMPTS:
            raise jobs.Interrupted("The job was interrupted several times.")
        tools, call = self._tools, call_of(self._tools.clock, ids.new_id())
        principal, content = await self._opened(job, call.request_id)
        model = tools.catalog.find(job.model)
        if model is None:
            raise ModelNotFound(f"The model {job.model!r} is not sold any more.", param="model")
        seconds, sensitivity = (job.settings.get(one) for one in ("seconds", SENSITIVITY))
        asked = ask_adaptation(model, content, seconds, sensitivity=sensitivity)
        ask = _tagged(asked, job)

        async def learn(ticket: Ticket) -> Completion:
            learned, seconds = await self._watched(job, ticket, call)
            await self._keep(job, learned, seconds)
            return _learned(seconds)

        await tools.stages.inner.make(call, principal, ask, learn)
        await self._publish(job)

    async def _opened(self, job: Adaptation, request_id: UUID) -> tuple[Principal, bytes]:
        """Who asked, as it stands now, and what to learn from. Raises what forbids it."""
        tools, account_id = self._tools, job.account_id
        async with tools.database.transaction() as session:
            at = tools.clock.now()
            known = await key_by_id(session, tools.contracts, account_id, job.key_id, at)
            if known is None:
                raise KeyRevoked("The key that asked for the job is gone.")
            principal = tools.stages.authenticator.require_active(known)
            tools.stages.authenticator.require_paying(known)
            content = await content_of(session, account_id, job.training_file_id)
            await jobs.bill_by(session, job, request_id)
        if job.settings.get("scrub"):
            content, _ = await asyncio.to_thread(scrub, content)
        return principal, content

    async def _watched(
        self, job: Adaptation, ticket: Ticket, call: Call
    ) -> tuple[LearnedVariant, int]:
        """Learn, unless the job is cancelled meanwhile. Raises AdaptationCancelled."""
        learning = asyncio.create_task(self._learn(job, ticket, call))
        try:
            while not learning.done():
                await asyncio.wait([learning], timeout=self._timing.work_watch_s)
                async with self._tools.database.transaction() as session:
                    await jobs.require_open(session, job)
            return learning.result()
        finally:
            learning.cancel()
            await asyncio.wait([learning])

    async def _learn(
        self, job: Adaptation, ticket: Ticket, call: Call
    ) -> tuple[LearnedVariant, int]:
        tools = self._tools
        target = tools.router.route(ticket, call.request_id)
        try:
            with tools.router.watched(target):
                async with (
                    asyncio.timeout(_PATIENCE_S),
                    tools.upstream.open(target) as answer,
                ):
                    async for line in lines_of(answer):
                        if line.error is not None:
                            raise refusal_of(line.error)
                        if line.variant is not None:
                            return _no_worse(line.variant), line.seconds
                        await self._say(job, line)
        except TimeoutError:
            raise UpstreamTimeout("Learning did not end in time.") from None
        raise UpstreamFailed("Learning was broken off.")

    async def _keep(self, job: Adaptation, learned: LearnedVariant, seconds: int) -> None:
        tools = self._tools
        async with tools.database.transaction() as session:
            score = {**learned.score, "examples": learned.examples, "held_out": learned.held_out}
            await jobs.scored(session, job, score, seconds, learned.trained_tokens)
            await variants.keep(session, tools.clock, job, learned.artefact)

    async def _publish(self, job: Adaptation) -> None:
        """The job succeeds only when every gateway process serves its version."""
        tools = self._tools
        async with tools.database.transaction() as session:
            version = await variants.make_live(session, tools.clock, job)
            epoch = await read_epoch(session)
        await tools.propagation.wait(epoch)
        async with tools.database.transaction() as session:
            name = variants.public_id(job.model, job.account_id, job.name)
            await jobs.succeed(
                session, tools.clock, job, f"Version {version} of {name} can be called."
            )

    async def _billed(self, job: Adaptation) -> bool:
        """Whether an earlier try came to its usage row."""
        query = select(Usage.request_id).where(
            col(Usage.request_id) == job.request_id,
            col(Usage.account_id) == job.account_id,
            col(Usage.settlement) == Settlement.COMPLETE,
        )
        async with self._tools.database.transaction() as session:
            paid = (await session.scalars(query)).first() is not None
            return paid and await variants.is_kept(session, job)

    async def _say(self, job: Adaptation, line: Line) -> None:
        metrics = None if line.metrics is None else msgspec.structs.asdict(line.metrics)
        async with self._tools.database.transaction() as session:
            await jobs.say(session, self._tools.clock, job, line.progress or "", metrics=metrics)

    async def _fail(self, job: Adaptation, error: AppError) -> None:
        async with self._tools.database.transaction() as session:
            await jobs.fail(session, self._tools.clock, job, error)

    async def _release(self, job: Adaptation, why: str) -> None:
        if job.attempts >= jobs.MOST_ATTEMPTS:
            return await self._fail(job, Unavailable(why))
        async with self._tools.database.transaction() as session:
            await jobs.release(session, self._tools.clock, job, why)


def _tagged(ask: Ask, job: Adaptation) -> Ask:
    made = variants.public_id(job.model, job.account_id, job.name)
    return replace(ask, tags={**(job.tags or {}), VARIANT: made})


def _learned(seconds: int) -> Completion:
    return Completion(
        settlement=Settlement.COMPLETE,
        status=200,
        tail=b"",
        headers={},
        quantities=Quantities(adaptation_seconds=seconds),
    )


def _no_worse(variant: LearnedVariant) -> LearnedVariant:
    score: dict[str, Any] = variant.score
    base, adapted = score.get("base"), score["adapted"]
    if base is None or (adapted >= base if score["higher_is_better"] else adapted <= base):
        return variant
    raise AdaptationWorse(
        f"The variant does worse than its base on examples held out ({score['metric']}: "
        f"{adapted:.4g} against {base:.4g}), so it is not kept."
    )
