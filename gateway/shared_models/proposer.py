"""Train, evaluate and promote or reject a new version of a shared model.

    collect -> start -> train -> store -> evaluate -> promote or reject

A proposal sends heartbeats while it runs and always ends as promoted or rejected. It is not billed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.errors import ModelServerNotFound
from gateway.registry.variants import PREFIX
from gateway.registry.versions import (
    BUILT_IN_NUMBER,
    ModelVersionConflict,
    find_version,
    find_version_with_weights,
    get_current_version_ids,
    promote,
)
from gateway.shared_models import candidates
from gateway.shared_models.collector import Scrubber, collect_examples, scrub_personal_data
from gateway.shared_models.evaluation import Contender, EvaluationResult, Evaluator
from gateway.shared_models.examples import SelectedExamples, SelectionRules, select_examples
from gateway.shared_models.training import TrainingResult, train
from gateway.shared_models.training_file import build_training_text
from gateway.tables import ModelVersion
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import encode_variant, variant_path
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from models.catalog import Model
from models.industrial_llm.examples import DatasetSplit

_HEARTBEAT_INTERVAL_S = 30.0

ProgressCallback = Callable[[str], None]
"""Reports progress to the operator in a sentence."""


class NoNewExamples(AppError):
    """The newest version was trained on the same examples."""

    status = 409
    type = "invalid_request_error"
    code = "nothing_new"


@dataclass(frozen=True, slots=True)
class ProposerDependencies:
    """The parts that proposals use.

    `load_corpus` reads the available tasks; `scrub` removes personal data from a text.
    """

    clock: Clock
    database: Database
    upstream: UpstreamClient
    router: Router
    rules: SelectionRules
    load_corpus: Callable[[], Mapping[str, DatasetSplit]]
    scrub: Scrubber = scrub_personal_data


class Proposer:
    """Makes proposals. Across all processes, a model has at most one proposal at a time."""

    def __init__(self, deps: ProposerDependencies) -> None:
        self._deps = deps
        self._log = structlog.get_logger()

    async def propose(
        self, model: Model, proposed_by: str, report: ProgressCallback, allow_unchanged: bool = True
    ) -> ModelVersion:
        """Train and evaluate a new version of a shared model; return the promoted or rejected one.

        Raises TooFewExamples, NoNewExamples (unless `allow_unchanged`) and ProposalRunning before a
        proposal is started; afterwards the error of a failed training or evaluation.
        """
        deps = self._deps
        corpus = await asyncio.to_thread(deps.load_corpus)
        selected = await self._select(model, corpus, allow_unchanged)
        async with deps.database.transaction() as session:
            claim = await candidates.start_proposal(session, deps.clock, model.id, proposed_by)
        report(f"Version {claim.number}: {len(selected.training)} examples are used for training.")
        try:
            result = await self._run_with_heartbeat(
                claim, self._train_and_evaluate(model, claim, selected, corpus, report)
            )
            await self._finish(claim, result, proposed_by)
        except candidates.ProposalLost:
            raise
        except BaseException as error:
            await asyncio.shield(self._reject(claim, error))
            raise
        self._log.info("a version was proposed", model=model.id, number=claim.number)
        async with deps.database.transaction() as session:
            return await find_version(session, model.id, claim.number)

    async def _select(
        self, model: Model, corpus: Mapping[str, DatasetSplit], allow_unchanged: bool
    ) -> SelectedExamples:
        """Select the examples. Raises NoNewExamples if unchanged, unless `allow_unchanged`."""
        deps = self._deps
        test_questions = [item.text for parts in corpus.values() for item in parts.test]
        async with deps.database.transaction() as session:
            shared = await collect_examples(session, model.id, deps.scrub)
            newest = await candidates.find_newest_examples_digest(session, model.id)
        selected = select_examples(shared, test_questions, deps.rules)
        if not allow_unchanged and selected.digest == newest:
            raise NoNewExamples("There are no new examples since the newest version.")
        return selected

    async def _run_with_heartbeat(
        self, claim: candidates.ProposalClaim, work: Any
    ) -> EvaluationResult:
        """Run the work while sending heartbeats. Raises ProposalLost."""
        deps, task = self._deps, asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_HEARTBEAT_INTERVAL_S)
                with suppress(DatabaseUnavailable):
                    async with deps.database.transaction() as session:
                        await candidates.renew_heartbeat(session, deps.clock, claim)
            result: EvaluationResult = task.result()
            return result
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _train_and_evaluate(
        self,
        model: Model,
        claim: candidates.ProposalClaim,
        selected: SelectedExamples,
        corpus: Mapping[str, DatasetSplit],
        report: ProgressCallback,
    ) -> EvaluationResult:
        """Train a version, store it and evaluate it against the current one."""
        deps, server = self._deps, self._server_url(model)
        text = build_training_text(selected.training, corpus, claim.number)
        training_result = await train(deps.upstream, server, model, text, report)
        trained_on = tuple((example, False) for example in training_result.text.examples.values())
        held_out = tuple((example, True) for example in selected.held_out)
        made_of = _provenance_summary(selected, training_result)
        async with deps.database.transaction() as session:
            await candidates.store_artefact(
                session, claim, training_result.artefact, made_of, (*trained_on, *held_out)
            )
        async with deps.database.transaction() as session:
            current = (await get_current_version_ids(session)).get(model.id)
            before = await _create_contender(session, model, current)
            after = await _create_contender(session, model, claim.version_id)
        evaluator = Evaluator(server, corpus, selected.held_out)
        return await evaluator.evaluate(before, after, report)

    async def _finish(
        self, claim: candidates.ProposalClaim, result: EvaluationResult, proposed_by: str
    ) -> None:
        """Store the scores and promote or reject, in one transaction. Raises ProposalLost."""
        deps, reason = self._deps, result.verdict.why
        if result.verdict.beats:
            try:
                async with deps.database.transaction() as session:
                    await candidates.record_scores(session, claim, result.scores)
                    return await promote(
                        session,
                        deps.clock,
                        claim.model,
                        claim.number,
                        result.previous_number,
                        proposed_by,
                    )
            except ModelVersionConflict as error:
                reason = error.message
        async with deps.database.transaction() as session:
            await candidates.record_scores(session, claim, result.scores)
            await candidates.reject_proposal(session, deps.clock, claim, reason)

    async def _reject(self, claim: candidates.ProposalClaim, error: BaseException) -> None:
        """Log the error and reject the proposal with it, if the database is available."""
        reason = error.message if isinstance(error, AppError) else "it was interrupted"
        self._log.error("a proposal failed", model=claim.model, reason=repr(error))
        # If the database is unavailable too, the heartbeat timeout will reject the proposal.
        with suppress(AppError):
            async with self._deps.database.transaction() as session:
                await candidates.reject_proposal(session, self._deps.clock, claim, reason)

    def _server_url(self, model: Model) -> str:
        """Return the URL of the model's first server. Raises ModelServerNotFound."""
        servers = self._deps.router.server_urls(model.id)
        if not servers:
            raise ModelServerNotFound(f"No server is configured for the model {model.id!r}.")
        return servers[0]


async def _create_contender(
    session: AsyncSession, model: Model, version_id: UUID | None
) -> Contender:
    """Return the version to evaluate; the built-in one if `version_id` is None or deleted."""
    stored = None if version_id is None else await find_version_with_weights(session, version_id)
    if version_id is None or stored is None:
        return Contender(BUILT_IN_NUMBER, model.id)
    upstream_name = f"{model.engine_id}:{ids.format_id(PREFIX, version_id)}"
    return Contender(
        stored.version, upstream_name, variant_path(model, version_id), encode_variant(stored)
    )


def _provenance_summary(
    selected: SelectedExamples, training_result: TrainingResult
) -> dict[str, Any]:
    """Return the summary of a version's examples and training for the operator.

    The source of each example is stored separately.
    """
    used = [example for example, _ in selected.with_held_out_flag]
    return {
        candidates.EXAMPLES_DIGEST_KEY: selected.digest,
        "examples": len(training_result.text.examples),
        "held_out": len(selected.held_out),
        "accounts": len({example.account_id for example in used}),
        "left_out": {
            **selected.excluded,
            "rejected by the training process": len(selected.training)
            - len(training_result.text.examples),
        },
        "replayed": dict(training_result.text.replayed_counts),
        "learner": {"score": training_result.score, "seconds": training_result.seconds},
    }
