"""Language-model fine-tuning jobs: file checks, events, checkpoints, cost, consent, scrubbing."""

from typing import Any

import pytest
from openai import APIStatusError
from sqlalchemy import text

from models.catalog import Meter
from tests.gateway.fine_tuning.variants import adapted, version
from tests.support.fakes.learner import SECONDS
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer, Talker, another, code_of
from tests.support.gateway.dialogues import SECOND, dialogue, dialogues, file


async def said(talker: Customer, job_id: str, level: str = "info") -> list[str]:
    events = await talker.openai.fine_tuning.jobs.list_events(job_id, limit=50)
    return [one.message for one in reversed(events.data) if one.level == level]


class TestDialogueFileCheck:
    async def test_only_an_api_key_with_valid_checksum_is_rejected(self, talker: Talker) -> None:
        secret = talker.gateway.key.secret
        with_key = dialogues() + b"\n" + file(dialogue("key?", secret))
        assert "Line 17 contains an API key" in (await talker.refused(with_key))["message"]
        mistyped = secret[:-1] + ("1" if secret[-1] == "0" else "0")
        part = file(dialogue("part SK-3204-2RS of order 4711", f"no key: {mistyped}"))
        own = file(dialogue("which account?", (await talker.adapts()).organization_id))
        again = await talker.sends_file(b"\n".join([dialogues(), part, own]))
        assert (await talker.asks_for(again)).status == "queued"

    async def test_duplicates_and_contradictions_are_warnings(self, talker: Talker) -> None:
        doubtful = file(
            dialogue("工单 1: pump 1 leaks", "another"),
            dialogue("工单 2: pump 2 leaks", "answer 2"),
        )
        content = dialogues("do 8") + b"\n" + doubtful
        job = await talker.ended((await talker.asks_for(await talker.sends_file(content))).id)
        assert job.status == "succeeded"
        assert await said(talker, job.id, "warn") == [
            "1 lines are duplicates and count once: 18.",
            "1 questions have different answers, which cannot all be learned; see lines 2 and 17.",
        ]

    async def test_first_events_state_split_and_expected_duration(self, talker: Talker) -> None:
        told = await said(talker, (await talker.adapts()).id)
        assert told[0] == "The job is queued."
        assert told[1] == "14 dialogues are used for training, 2 are held out for validation."
        assert told[2].startswith("Training will take about ")


class TestJobProgress:
    async def test_metrics_events_have_step_and_losses(self, talker: Talker) -> None:
        job = await talker.adapts()
        events = await talker.openai.fine_tuning.jobs.list_events(job.id, limit=50)
        figures: list[Any] = [one for one in reversed(events.data) if one.type == "metrics"]
        assert [one.data["step"] for one in figures] == [10, 20]
        assert figures[-1].data == {
            "step": 20,
            "total_steps": 20,
            "train_loss": 0.05,
            "valid_loss": 0.1,
        }
        assert {one.type for one in events.data} == {"message", "metrics"}

    async def test_job_has_scores_of_base_and_adapted_model(self, talker: Talker) -> None:
        job = await talker.adapts()
        assert job.score["exact"] == {"base": 1, "adapted": 2, "of": 3}
        assert (job.score["base"], job.score["adapted"]) == (10, 8)
        assert job.trained_tokens == 480


class TestJobCheckpoints:
    async def test_checkpoint_of_a_version_can_be_called_by_its_id(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        job = (await talker.openai.fine_tuning.jobs.list()).data[0]
        await talker.adapts()
        await version(talker, name, 2)
        listed = await talker.openai.fine_tuning.jobs.checkpoints.list(job.id)
        (checkpoint,) = listed.data
        assert checkpoint.fine_tuned_model_checkpoint == f"{name}:1"
        assert (checkpoint.fine_tuning_job_id, checkpoint.step_number) == (job.id, 20)
        assert (checkpoint.metrics.train_loss, checkpoint.metrics.valid_loss) == (0.05, 0.1)
        await talker.says(f"{name}:1")
        assert [one["version"] for one in upstream.learner.variants.values()] == ["1"]
        after = await talker.openai.fine_tuning.jobs.checkpoints.list(job.id, after=checkpoint.id)
        assert after.data == []

    async def test_running_job_or_deleted_variant_has_no_checkpoints(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        name = await adapted(talker)
        done = (await talker.openai.fine_tuning.jobs.list()).data[0]
        job = await talker.asks("hang")
        await upstream.learner.learning.wait()
        assert (await talker.openai.fine_tuning.jobs.checkpoints.list(job.id)).data == []
        await talker.openai.fine_tuning.jobs.cancel(job.id)
        await talker.openai.models.delete(name)
        assert (await talker.openai.fine_tuning.jobs.checkpoints.list(done.id)).data == []

    async def test_unknown_version_suffix_is_rejected_with_404(self, talker: Talker) -> None:
        name = await adapted(talker)
        for number in ("2", "x", "", "1:1"):
            with pytest.raises(APIStatusError) as caught:
                await talker.says(f"{name}:{number}")
            assert caught.value.status_code == 404, number
            assert code_of(caught.value) == "model_not_found", number

    async def test_checkpoint_of_another_account_is_not_found(self, talker: Talker) -> None:
        name = await adapted(talker)
        job = (await talker.openai.fine_tuning.jobs.list()).data[0]
        async with another(talker.gateway) as openai:
            with pytest.raises(APIStatusError) as caught:
                await openai.fine_tuning.jobs.checkpoints.list(job.id)
            assert caught.value.status_code == 404
            with pytest.raises(APIStatusError) as caught:
                await Talker(talker.gateway, openai).says(f"{name}:1")
            assert caught.value.status_code == 404


class TestTrainingCost:
    async def test_max_cost_limits_training_time_and_is_reserved(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        headers = {"X-Max-Cost": f"{100 * SECOND / 1e9}"}
        job = await talker.asks("hang", extra_headers=headers)
        await upstream.learner.learning.wait()
        assert upstream.learner.seconds == ["100"]
        async with talker.gateway.parts.database.transaction() as session:
            held = (await session.execute(text("select held_nano from intent"))).scalar_one()
        assert held == 100 * SECOND
        await talker.openai.fine_tuning.jobs.cancel(job.id)

    async def test_training_without_max_cost_has_no_time_limit(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        await talker.adapts()
        assert upstream.learner.seconds == [None]
        assert upstream.learner.mixings == [None]
        assert (await talker.gateway.row())[Meter.ADAPTATION_SECONDS] == SECONDS


class TestSharingConsent:
    async def test_consent_is_off_by_default_and_can_be_withdrawn(self, talker: Talker) -> None:
        silent = await talker.asks()
        assert (silent.share_for_improvement, silent.shared_at) == (False, None)
        job: Any = await talker.asks(extra_body={"share_for_improvement": True})
        assert job.share_for_improvement
        assert job.shared_at >= job.created_at
        for wanted in (False, False, True):
            answer = await talker.gateway.http.post(
                f"/v1/fine_tuning/jobs/{job.id}/consent", json={"share_for_improvement": wanted}
            )
            assert answer.json()["share_for_improvement"] is wanted
        told = [one for one in await said(talker, job.id) if one.startswith("Consent")]
        assert [one.rpartition(" is ")[2] for one in told] == ["withdrawn.", "given."]

    async def test_consent_for_a_job_of_another_account_returns_404(self, talker: Talker) -> None:
        job = await talker.asks()
        async with another(talker.gateway) as openai:
            with pytest.raises(APIStatusError) as caught:
                await openai.post(
                    f"/fine_tuning/jobs/{job.id}/consent",
                    body={"share_for_improvement": True},
                    cast_to=object,
                )
            assert caught.value.status_code == 404

    async def test_consent_that_is_no_boolean_is_rejected(self, talker: Talker) -> None:
        place = f"/v1/fine_tuning/jobs/{(await talker.asks()).id}/consent"
        wrong: list[dict[str, Any]] = [{}, {"share_for_improvement": "yes"}, {"share": True}]
        for body in wrong:
            assert (await talker.gateway.http.post(place, json=body)).status_code == 400, body


class TestRestartedRunner:
    async def test_resumed_job_keeps_scrubbing_and_cost_limit(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        content = dialogues("do hang") + b"\n" + file(dialogue("王师傅 13812345678", "yes"))
        job = await talker.asks_for(
            await talker.sends_file(content),
            extra_body={"scrub": True},
            extra_headers={"X-Max-Cost": f"{100 * SECOND / 1e9}"},
        )
        await upstream.learner.learning.wait()
        upstream.learner.learning.clear()
        await talker.gateway.parts.fine_tuning_runner.stop()
        await talker.gateway.parts.fine_tuning_runner.start()
        await upstream.learner.learning.wait()
        first, again = upstream.learner.files
        assert first == again
        assert b"13812345678" not in again
        assert upstream.learner.seconds == ["100", "100"]
        await talker.openai.fine_tuning.jobs.cancel(job.id)


class TestPersonalDataScrubbing:
    async def test_training_data_is_scrubbed_and_stored_file_is_unchanged(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        personal = dialogue("王师傅 13812345678 报修 pump 6204-2RS", "mail wang@acme.cn")
        content = dialogues("do 8") + b"\n" + file(personal)
        kept = await talker.sends_file(content)
        job = await talker.asks_for(kept, extra_body={"scrub": True})
        assert (await talker.ended(job.id)).status == "succeeded"
        learned = upstream.learner.files[0].decode()
        assert "<NAME>师傅 <PHONE> 报修 pump 6204-2RS" in learned
        assert not [one for one in ("13812345678", "wang@") if one in learned]
        assert (await talker.openai.files.content(kept)).content == content
        told = await said(talker, job.id)
        assert "Personal data is removed before training: 1 EMAIL, 1 NAME, 1 PHONE." in told

    async def test_personal_data_stays_without_the_scrub_option(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        content = dialogues("do 8") + b"\n" + file(dialogue("call 13812345678", "yes"))
        job = await talker.asks_for(await talker.sends_file(content))
        await talker.ended(job.id)
        assert upstream.learner.files == [content]

    async def test_scrubbing_removes_api_keys(self, talker: Talker, upstream: FakeUpstream) -> None:
        secret = talker.gateway.key.secret
        content = dialogues("do 8") + b"\n" + file(dialogue("key?", f"it is {secret}"))
        file_id = await talker.sends_file(content)
        job = await talker.asks_for(file_id, extra_body={"scrub": True})
        await talker.ended(job.id)
        assert b"it is <API_KEY>" in upstream.learner.files[0]
