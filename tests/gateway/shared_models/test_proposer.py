"""Proposed versions of a shared model: training, evaluation against the current one, promotion."""

import asyncio
import json
from datetime import timedelta

import pytest

from gateway.call.errors import UpstreamFailed
from gateway.registry.versions import promote
from gateway.shared_models import candidates
from gateway.shared_models.candidates import ProposalLost, ProposalRunning
from gateway.shared_models.examples import TooFewExamples
from gateway.shared_models.proposer import NoNewExamples, Proposer, ProposerDependencies
from gateway.upstream.error_mapping import SpecialistError
from infra.clock import SystemClock
from tests.support.fakes.adapters import ANSWER
from tests.support.gateway.shops import (
    MODEL,
    RULES,
    SHARED,
    Shop,
    faults,
    question_of,
    tasks,
)
from tests.support.nightly import nightly

CLOCK = SystemClock()


class TestPromotedProposal:
    async def test_better_version_is_promoted_and_serves_calls(self, shop: Shop) -> None:
        await shop.answers("I do not know.")
        await shop.corrected()
        row = await shop.proposes()
        assert (row.number, row.parent, row.status, row.current) == (1, 0, "promoted", True)
        assert row.scores is not None
        feedback = row.scores["tasks"]["feedback"]
        assert (feedback["before"], feedback["after"]) == (0, 1)
        assert row.scores["tasks"]["terms"]["worse"] == 0
        assert row.scores["better"] == feedback["examples"]
        assert row.made_of["accounts"] == 3
        assert row.made_of["replayed"] == {"failure_mode": 30, "terms": 30}
        await shop.answers(f"{ANSWER}zzzz")
        answer = await shop.answer()
        assert answer.model == f"{SHARED}@1"
        # Price and usage row are those of the shared model.
        newest = (await shop.sql("select model, tags from usage order by started_at desc"))[0]
        assert tuple(newest) == (SHARED, None)

    @nightly
    async def test_version_is_uploaded_to_each_replica_behind_an_address(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.elsewhere = 2
        assert (await shop.proposes()).status == "promoted"

    @nightly
    async def test_second_version_is_trained_from_the_built_in_version(self, shop: Shop) -> None:
        await shop.corrected()
        await shop.proposes()
        await shop.answers(f"{ANSWER}zzzz")
        # The second version cannot improve on the first.
        row = await shop.proposes()
        assert (row.number, row.parent, row.status) == (2, 0, "rejected")
        assert row.scores is not None
        assert row.scores["against"] == 1
        (first, second) = shop.serving.files
        assert first != second  # in the replayed examples


class TestRejectedProposal:
    async def test_version_worse_in_a_task_is_rejected(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.forgets = True
        row = await shop.proposes()
        assert (row.status, row.current) == ("rejected", False)
        assert row.scores is not None
        assert row.scores["why"] == "it falls behind in failure_mode, terms"
        assert row.scores["tasks"]["terms"]["after"] == 0
        assert (await shop.sql("select artefact from model_version"))[0][0] is None
        # The provenance of the examples is kept.
        assert len(await shop.provenance(1)) == 24
        await shop.answers("I do not know.")

    async def test_version_that_is_not_better_is_rejected(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.unteachable = True
        row = await shop.proposes()
        assert row.scores is not None
        assert (row.status, row.scores["why"]) == (
            "rejected",
            "0 examples better and 0 worse may be chance",
        )

    @nightly
    async def test_version_is_rejected_when_the_current_version_changed(self, shop: Shop) -> None:
        """The operator promotes an older version during the evaluation."""
        await shop.corrected()
        await shop.proposes()
        await shop.sql("update model_version set current = false where current returning 1")
        shop.serving.judging.clear()
        shop.serving.answers.clear()
        proposing = asyncio.create_task(shop.proposes())
        await shop.serving.judging.wait()
        async with shop.gateway.parts.database.transaction() as session:
            await promote(session, CLOCK, SHARED, 1, 0, "operator")
        shop.serving.answers.set()
        row = await proposing
        assert row.status == "rejected"
        assert row.history[-1]["what"].startswith(
            "rejected: The current version of 'shop-floor' is now 1"
        )
        assert [one.number for one in await shop.versions() if one.current] == [1]


class TestAbortedProposal:
    async def test_too_few_examples_create_no_version(self, shop: Shop) -> None:
        with pytest.raises(TooFewExamples):
            await shop.proposes()
        assert await shop.versions() == []
        assert shop.serving.files == []

    async def test_feedback_without_consent_is_not_used(self, shop: Shop) -> None:
        for firm in shop.firms:
            await firm.has_corrected(shop.gateway.parts, faults(0, 8), consent=False)
        with pytest.raises(TooFewExamples, match="0 of 0 examples"):
            await shop.proposes()

    async def test_line_rejected_by_the_training_process_is_excluded(self, shop: Shop) -> None:
        await shop.corrected()
        learned = json.loads((await self._learned_lines(shop))[3])["messages"][-2]["content"]
        shop.serving.refuses = learned
        row = await shop.proposes()
        assert row.status == "promoted"
        assert row.made_of["left_out"]["rejected by the training process"] == 1
        assert len(await shop.provenance(1)) == 23

    async def _learned_lines(self, shop: Shop) -> list[bytes]:
        """Training lines of a first proposal, which fails."""
        shop.serving.breaks = True
        with pytest.raises(UpstreamFailed):
            await shop.proposes()
        shop.serving.breaks = False
        await shop.sql("delete from model_version returning 1")
        return shop.serving.files[0].splitlines()

    async def test_rejected_replay_line_fails_the_proposal(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.refuses = "术语"
        with pytest.raises(SpecialistError):
            await shop.proposes()
        (row,) = await shop.versions()
        assert row.status == "rejected"
        assert "has 900 tokens" in row.history[-1]["what"]

    async def test_failed_training_rejects_the_version_and_can_be_repeated(
        self, shop: Shop
    ) -> None:
        await shop.corrected()
        shop.serving.breaks = True
        with pytest.raises(UpstreamFailed):
            await shop.proposes()
        assert [one.status for one in await shop.versions()] == ["rejected"]
        shop.serving.breaks = False
        assert (await shop.proposes()).status == "promoted"

    @nightly
    async def test_second_concurrent_proposal_is_rejected(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.goes_on.clear()
        first = asyncio.create_task(shop.proposes())
        await shop.serving.learning.wait()
        with pytest.raises(ProposalRunning):
            await shop.proposes()
        shop.serving.goes_on.set()
        assert (await first).status == "promoted"
        assert len(await shop.versions()) == 1

    async def test_cancelled_proposal_is_rejected_as_interrupted(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.goes_on.clear()
        first = asyncio.create_task(shop.proposes())
        await shop.serving.learning.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        (row,) = await shop.versions()
        assert (row.status, row.history[-1]["what"]) == (
            "rejected",
            "rejected: it was interrupted",
        )

    async def test_proposal_without_heartbeat_is_replaced_and_cannot_write(
        self, shop: Shop
    ) -> None:
        """As after kill -9: the row stays `proposed` and its heartbeat stops."""
        await shop.corrected()
        database = shop.gateway.parts.database
        async with database.transaction() as session:
            lost = await candidates.start_proposal(session, CLOCK, SHARED, "a killed one")
        with pytest.raises(ProposalRunning):
            await shop.proposes()
        late = (candidates.HEARTBEAT_TIMEOUT + timedelta(seconds=1)).total_seconds()
        await shop.sql(
            "update model_version set heard_at = heard_at - make_interval(secs => :late) "
            "returning 1",
            late=late,
        )
        row = await shop.proposes()
        assert (row.number, row.status) == (2, "promoted")
        assert (await shop.versions())[1].status == "rejected"
        async with database.transaction() as session:
            with pytest.raises(ProposalLost):
                await candidates.record_scores(session, lost, {})

    @nightly
    async def test_unchanged_examples_create_no_new_version(self, shop: Shop) -> None:
        await shop.corrected()
        await shop.proposes(allow_unchanged=False)
        with pytest.raises(NoNewExamples):
            await shop.proposes(allow_unchanged=False)
        await shop.firms[0].corrects(question_of("more"), f"{ANSWER}more")
        assert (await shop.proposes(allow_unchanged=False)).number == 2


class TestVersionProvenance:
    async def test_provenance_shows_withdrawn_and_changed_feedback(self, shop: Shop) -> None:
        await shop.corrected()
        first, second, *_ = await shop.sql("select id from feedback order by id")
        await shop.proposes()
        firm = shop.firms[0]
        listed = await firm.openai.get("/feedback?limit=100", cast_to=object)
        oldest, next_ = listed["data"][-1], listed["data"][-2]
        assert (oldest["id"], next_["id"]) == (f"fb_{first[0].hex}", f"fb_{second[0].hex}")
        await firm.openai.delete(f"/feedback/{oldest['id']}", cast_to=object)
        said = {"messages": next_["messages"], "correction": "another", "consent": True}
        await firm.says(next_["request_id"], **said)
        now = {one["source"]: one["now"] for one in await shop.provenance(1)}
        assert now.pop(oldest["id"]) == "withdrawn"
        assert now.pop(next_["id"]) == "changed"
        assert set(now.values()) == {"given"}
        # The next version is trained without it.
        await shop.proposes()
        assert oldest["id"] not in {one["source"] for one in await shop.provenance(2)}

    async def test_shared_training_files_are_used_and_withdrawable(self, shop: Shop) -> None:
        lines = [
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": question_of(fault)},
                        {"role": "assistant", "content": f"{ANSWER}{fault}"},
                    ]
                }
            )
            for fault in faults(8000, 12)
        ]
        for firm in shop.firms:
            content = "\n".join(lines).encode()
            file = await firm.openai.files.create(file=("line.jsonl", content), purpose="fine-tune")
            await firm.openai.fine_tuning.jobs.create(model=SHARED, training_file=file.id)
        with pytest.raises(TooFewExamples, match="0 of 0 examples"):
            await shop.proposes()
        await shop.sql("update adaptation set shared_at = now() returning 1")
        # The files are identical, so each line counts once, for the first account.
        with pytest.raises(TooFewExamples, match="0 of 36 examples from 0 accounts"):
            await shop.proposes()
        await shop.corrected()
        await shop.proposes()
        sources = [one for one in await shop.provenance(1) if one["source"].startswith("ftjob_")]
        # Feedback is newer, and an account's share is at most two fifths: 10 of 26.
        assert sorted(one["line"] for one in sources) == [11, 12]
        await shop.sql("update adaptation set shared_at = null returning 1")
        now = [one for one in await shop.provenance(1) if one["source"].startswith("ftjob_")]
        assert {one["now"] for one in now} == {"withdrawn"}

    async def test_personal_data_is_scrubbed_before_training(self, shop: Shop) -> None:
        await shop.corrected()
        parts = shop.gateway.parts

        def scrub(said: str) -> str:
            return said.replace("a", "#")

        tools = ProposerDependencies(
            parts.clock, parts.database, parts.upstream, parts.router, RULES, tasks, scrub
        )
        await Proposer(tools).propose(MODEL, "a test", lambda _: None)
        (content,) = shop.serving.files
        given = [line for line in content.decode().splitlines() if ANSWER in line]
        assert given
        assert not any("Which code has a" in line for line in given)
