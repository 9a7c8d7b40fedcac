"""Proposing a version of a shared model: what accounts gave becomes one, or nothing does.

    collect -> begin -> learn -> keep -> judge -> promote or reject

Owns that order, that a proposal says all the while that it is worked at, and that it ends however
it goes. Nobody is billed for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.errors import ModelNotServed
from gateway.registry.variants import PREFIX
from gateway.registry.versions import (
    BUILT_IN,
    ModelVersionConflict,
    answering,
    find_version,
    promote,
    stored_version,
)
from gateway.shared_models import candidates
from gateway.shared_models.collector import Scrub, collect, without_personal_data
from gateway.shared_models.evaluation import Judge, Judgement, Rival
from gateway.shared_models.examples import Chosen, Rules, choose
from gateway.shared_models.training import Learned, learn
from gateway.shared_models.training_file import written
from gateway.tables import ModelVersion
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import carried, path_of
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from models.catalog import Model
from models.industrial_llm.examples import Parts

_HEARD_S = 30.0

Report = Callable[[str], None]
"""Takes a sentence for the operator on what is being done."""


class NothingNew(AppError):
    """The newest version was made of the very same examples."""

    status = 409
    type = "invalid_request_error"
    code = "nothing_new"


@dataclass(frozen=True, slots=True)
class Tools:
    """What proposals work with. `corpus` reads the tasks at hand; `scrub` takes what is personal
    out of a text before it is learned."""

    clock: Clock
    database: Database
    upstream: Upstream
    router: Router
    rules: Rules
    corpus: Callable[[], Mapping[str, Parts]]
    scrub: Scrub = without_personal_data


class Proposer:
    """Makes proposals, one at a time of a model, whoever else makes them elsewhere."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._log = structlog.get_logger()

    async def propose(
        self, model: Model, by: str, report: Report, again: bool = True
    ) -> ModelVersion:
        """The version that came of it, promoted or rejected.

        Raises TooFewExamples, NothingNew (unless `again`) and ProposalRunning where none is begun;
        else what it was rejected for where it could not be learned or judged.
        """
        tools = self._tools
        corpus = await asyncio.to_thread(tools.corpus)
        chosen = await self._chosen(model, corpus, again)
        async with tools.database.transaction() as session:
            claim = await candidates.begin(session, tools.clock, model.id, by)
        report(f"Version {claim.number}: {len(chosen.learned)} examples are learned from.")
        try:
            judgement = await self._heard(claim, self._made(model, claim, chosen, corpus, report))
            await self._end(claim, judgement, by)
        except candidates.ProposalLost:
            raise
        except BaseException as error:
            await asyncio.shield(self._give_up(claim, error))
            raise
        self._log.info("a version was proposed", model=model.id, number=claim.number)
        async with tools.database.transaction() as session:
            return await find_version(session, model.id, claim.number)

    async def _chosen(self, model: Model, corpus: Mapping[str, Parts], again: bool) -> Chosen:
        tools = self._tools
        judged_by = [one.text for parts in corpus.values() for one in parts.test]
        async with tools.database.transaction() as session:
            given = await collect(session, model.id, tools.scrub)
            newest = await candidates.newest_offer(session, model.id)
        chosen = choose(given, judged_by, tools.rules)
        if not again and chosen.digest == newest:
            raise NothingNew("The newest version was made of the very same examples.")
        return chosen

    async def _heard(self, claim: candidates.Claim, work: Any) -> Judgement:
        """Do it, and say all the while that somebody does. Raises ProposalLost."""
        tools, working = self._tools, asyncio.ensure_future(work)
        try:
            while not working.done():
                await asyncio.wait([working], timeout=_HEARD_S)
                with suppress(DatabaseUnavailable):
                    async with tools.database.transaction() as session:
                        await candidates.hear(session, tools.clock, claim)
            judgement: Judgement = working.result()
            return judgement
        finally:
            working.cancel()
            await asyncio.wait([working])

    async def _made(
        self,
        model: Model,
        claim: candidates.Claim,
        chosen: Chosen,
        corpus: Mapping[str, Parts],
        report: Report,
    ) -> Judgement:
        """Learned, kept and judged."""
        tools, server = self._tools, self._server(model)
        text = written(chosen.learned, corpus, claim.number)
        learned = await learn(tools.upstream, server, model, text, report)
        kept = tuple((one, False) for one in learned.text.examples.values())
        held_out = tuple((one, True) for one in chosen.held_out)
        made_of = _made_of(chosen, learned)
        async with tools.database.transaction() as session:
            await candidates.keep(session, claim, learned.artefact, made_of, (*kept, *held_out))
        async with tools.database.transaction() as session:
            present = (await answering(session)).get(model.id)
            before = await _rival(session, model, present)
            after = await _rival(session, model, claim.version_id)
        judge = Judge(server, corpus, chosen.held_out)
        return await judge.judge(before, after, report)

    async def _end(self, claim: candidates.Claim, judgement: Judgement, by: str) -> None:
        """Scores and what follows from them are one transaction. Raises ProposalLost."""
        tools, why = self._tools, judgement.verdict.why
        if judgement.verdict.beats:
            try:
                async with tools.database.transaction() as session:
                    await candidates.judged(session, claim, judgement.scores)
                    place = claim.model, claim.number, judgement.against
                    return await promote(session, tools.clock, *place, by)
            except ModelVersionConflict as error:
                why = error.message
        async with tools.database.transaction() as session:
            await candidates.judged(session, claim, judgement.scores)
            await candidates.reject(session, tools.clock, claim, why)

    async def _give_up(self, claim: candidates.Claim, error: BaseException) -> None:
        why = error.message if isinstance(error, AppError) else "it was interrupted"
        self._log.error("a proposal was given up", model=claim.model, reason=repr(error))
        # Where the database is gone too, it is given up as one whose worker was lost.
        with suppress(AppError):
            async with self._tools.database.transaction() as session:
                await candidates.reject(session, self._tools.clock, claim, why)

    def _server(self, model: Model) -> str:
        servers = self._tools.router.servers(model.id)
        if not servers:
            raise ModelNotServed(f"No server is configured for the model {model.id!r}.")
        return servers[0]


async def _rival(session: AsyncSession, model: Model, version_id: UUID | None) -> Rival:
    stored = None if version_id is None else await stored_version(session, version_id)
    if version_id is None or stored is None:
        return Rival(BUILT_IN, model.id)
    place = f"{model.engine_id}:{ids.show(PREFIX, version_id)}"
    return Rival(stored.version, place, path_of(model, version_id), carried(stored))


def _made_of(chosen: Chosen, learned: Learned) -> dict[str, Any]:
    """For the operator; where each example came from stands by itself."""
    used = [one for one, _ in chosen.all]
    return {
        candidates.OFFER: chosen.digest,
        "examples": len(learned.text.examples),
        "held_out": len(chosen.held_out),
        "accounts": len({one.account_id for one in used}),
        "left_out": {
            **chosen.left_out,
            "refused by the learner": len(chosen.learned) - len(learned.text.examples),
        },
        "replayed": dict(learned.text.replayed),
        "learner": {"score": learned.score, "seconds": learned.seconds},
    }
