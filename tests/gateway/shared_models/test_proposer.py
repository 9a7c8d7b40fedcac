"""Proposing a version: learned, kept, judged beside the present one, promoted or not."""

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

CLOCK = SystemClock()


class TestPromoted:
    async def test_what_is_better_answers(self, shop: Shop) -> None:
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
        # It is the shared model still: to the price, and on the bill.
        newest = (await shop.sql("select model, tags from usage order by started_at desc"))[0]
        assert tuple(newest) == (SHARED, None)

    async def test_is_given_to_each_machine_behind_an_address(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.elsewhere = 2
        assert (await shop.proposes()).status == "promoted"

    async def test_every_version_is_learned_from_the_built_in_one(self, shop: Shop) -> None:
        await shop.corrected()
        await shop.proposes()
        await shop.answers(f"{ANSWER}zzzz")
        # Once the first one answers nothing is left to be better at.
        row = await shop.proposes()
        assert (row.number, row.parent, row.status) == (2, 0, "rejected")
        assert row.scores is not None
        assert row.scores["against"] == 1
        (first, second) = shop.serving.files
        assert first != second  # in what is replayed


class TestRejected:
    async def test_what_falls_behind_in_a_task(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.forgets = True
        row = await shop.proposes()
        assert (row.status, row.current) == ("rejected", False)
        assert row.scores is not None
        assert row.scores["why"] == "it falls behind in failure_mode, terms"
        assert row.scores["tasks"]["terms"]["after"] == 0
        assert (await shop.sql("select artefact from model_version"))[0][0] is None
        # Whose examples these were is still known.
        assert len(await shop.provenance(1)) == 24
        await shop.answers("I do not know.")

    async def test_what_is_no_better(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.unteachable = True
        row = await shop.proposes()
        assert row.scores is not None
        assert (row.status, row.scores["why"]) == (
            "rejected",
            "0 examples better and 0 worse may be chance",
        )

    async def test_what_was_judged_beside_another_version(self, shop: Shop) -> None:
        """While it is judged the operator promotes an older one."""
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
        assert row.history[-1]["what"].startswith("rejected: Version 1 of 'shop-floor' answers by")
        assert [one.number for one in await shop.versions() if one.current] == [1]


class TestGivenUp:
    async def test_too_few(self, shop: Shop) -> None:
        with pytest.raises(TooFewExamples):
            await shop.proposes()
        assert await shop.versions() == []
        assert shop.serving.files == []

    async def test_without_consent_there_is_nothing(self, shop: Shop) -> None:
        for firm in shop.firms:
            await firm.has_corrected(shop.gateway.parts, faults(0, 8), consent=False)
        with pytest.raises(TooFewExamples, match="of 0 given"):
            await shop.proposes()

    async def test_a_line_that_cannot_be_learned_is_left_out(self, shop: Shop) -> None:
        await shop.corrected()
        learned = json.loads((await self._learned_lines(shop))[3])["messages"][-2]["content"]
        shop.serving.refuses = learned
        row = await shop.proposes()
        assert row.status == "promoted"
        assert row.made_of["left_out"]["rejected by the training process"] == 1
        assert len(await shop.provenance(1)) == 23

    async def _learned_lines(self, shop: Shop) -> list[bytes]:
        """Of a first proposal, which comes to nothing."""
        shop.serving.breaks = True
        with pytest.raises(UpstreamFailed):
            await shop.proposes()
        shop.serving.breaks = False
        await shop.sql("delete from model_version returning 1")
        return shop.serving.files[0].splitlines()

    async def test_a_line_of_our_own_is_our_fault(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.refuses = "术语"
        with pytest.raises(SpecialistError):
            await shop.proposes()
        (row,) = await shop.versions()
        assert row.status == "rejected"
        assert "has 900 tokens" in row.history[-1]["what"]

    async def test_learning_breaks_off(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.breaks = True
        with pytest.raises(UpstreamFailed):
            await shop.proposes()
        assert [one.status for one in await shop.versions()] == ["rejected"]
        shop.serving.breaks = False
        assert (await shop.proposes()).status == "promoted"

    async def test_one_at_a_time(self, shop: Shop) -> None:
        await shop.corrected()
        shop.serving.goes_on.clear()
        first = asyncio.create_task(shop.proposes())
        await shop.serving.learning.wait()
        with pytest.raises(ProposalRunning):
            await shop.proposes()
        shop.serving.goes_on.set()
        assert (await first).status == "promoted"
        assert len(await shop.versions()) == 1

    async def test_is_stopped(self, shop: Shop) -> None:
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

    async def test_a_lost_one_is_given_up_and_writes_nothing_more(self, shop: Shop) -> None:
        """As after kill -9: its row stays proposed, and nobody says that somebody works at it."""
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

    async def test_nothing_new_by_night(self, shop: Shop) -> None:
        await shop.corrected()
        await shop.proposes(allow_unchanged=False)
        with pytest.raises(NoNewExamples):
            await shop.proposes(allow_unchanged=False)
        await shop.firms[0].corrects(question_of("more"), f"{ANSWER}more")
        assert (await shop.proposes(allow_unchanged=False)).number == 2


class TestProvenance:
    async def test_tells_what_became_of_each(self, shop: Shop) -> None:
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
        # And the next version does not learn it.
        await shop.proposes()
        assert oldest["id"] not in {one["source"] for one in await shop.provenance(2)}

    async def test_training_files_that_may_be_shared(self, shop: Shop) -> None:
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
        with pytest.raises(TooFewExamples, match="of 0 given"):
            await shop.proposes()
        await shop.sql("update adaptation set shared_at = now() returning 1")
        # All say the same, so it counts once, for the first of them.
        with pytest.raises(TooFewExamples, match="0 of 36 examples from 0 accounts"):
            await shop.proposes()
        await shop.corrected()
        await shop.proposes()
        sources = [one for one in await shop.provenance(1) if one["source"].startswith("ftjob_")]
        # What they said since is newer, and an account has two fifths at most: 10 of 26.
        assert sorted(one["line"] for one in sources) == [11, 12]
        await shop.sql("update adaptation set shared_at = null returning 1")
        now = [one for one in await shop.provenance(1) if one["source"].startswith("ftjob_")]
        assert {one["now"] for one in now} == {"withdrawn"}

    async def test_what_is_personal_is_scrubbed_before(self, shop: Shop) -> None:
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
