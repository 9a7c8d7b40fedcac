"""Jobs of a language model: what is refused at once, told beforehand, shown meanwhile and after."""

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


class TestFiles:
    async def test_a_key_of_ours_is_told_by_its_checksum(self, talker: Talker) -> None:
        secret = talker.gateway.key.secret
        with_key = dialogues() + b"\n" + file(dialogue("key?", secret))
        assert "Line 17 holds an API key" in (await talker.refused(with_key))["message"]
        mistyped = secret[:-1] + ("1" if secret[-1] == "0" else "0")
        part = file(dialogue("part SK-3204-2RS of order 4711", f"no key: {mistyped}"))
        own = file(dialogue("which account?", (await talker.adapts()).organization_id))
        again = await talker.sends_file(b"\n".join([dialogues(), part, own]))
        assert (await talker.asks_for(again)).status == "queued"

    async def test_doubts_are_told_as_warnings(self, talker: Talker) -> None:
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

    async def test_what_is_told_at_first(self, talker: Talker) -> None:
        told = await said(talker, (await talker.adapts()).id)
        assert told[0] == "The job is queued."
        assert told[1] == "14 dialogues are used for training, 2 are held out for validation."
        assert told[2].startswith("Training will take about ")


class TestProgress:
    async def test_events_have_figures_for_curves(self, talker: Talker) -> None:
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

    async def test_the_score_stands_beside_the_parents(self, talker: Talker) -> None:
        job = await talker.adapts()
        assert job.score["exact"] == {"base": 1, "adapted": 2, "of": 3}
        assert (job.score["base"], job.score["adapted"]) == (10, 8)
        assert job.trained_tokens == 480


class TestCheckpoints:
    async def test_the_version_that_was_made_can_be_called_by_its_id(
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

    async def test_none_before_it_has_ended_and_none_once_deleted(
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

    async def test_a_version_that_is_not_there(self, talker: Talker) -> None:
        name = await adapted(talker)
        for number in ("2", "x", "", "1:1"):
            with pytest.raises(APIStatusError) as caught:
                await talker.says(f"{name}:{number}")
            assert caught.value.status_code == 404, number
            assert code_of(caught.value) == "model_not_found", number

    async def test_of_another_firm_do_not_exist(self, talker: Talker) -> None:
        name = await adapted(talker)
        job = (await talker.openai.fine_tuning.jobs.list()).data[0]
        async with another(talker.gateway) as openai:
            with pytest.raises(APIStatusError) as caught:
                await openai.fine_tuning.jobs.checkpoints.list(job.id)
            assert caught.value.status_code == 404
            with pytest.raises(APIStatusError) as caught:
                await Talker(talker.gateway, openai).says(f"{name}:1")
            assert caught.value.status_code == 404


class TestCost:
    async def test_a_limit_is_for_how_long_it_learns(
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

    async def test_without_a_limit_it_learns_as_long_as_any(
        self, talker: Talker, upstream: FakeUpstream
    ) -> None:
        await talker.adapts()
        assert upstream.learner.seconds == [None]
        assert upstream.learner.mixings == [None]
        assert (await talker.gateway.row())[Meter.ADAPTATION_SECONDS] == SECONDS


class TestConsent:
    async def test_off_until_it_is_given_and_off_again_when_it_is_withdrawn(
        self, talker: Talker
    ) -> None:
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

    async def test_is_the_accounts_own_to_give(self, talker: Talker) -> None:
        job = await talker.asks()
        async with another(talker.gateway) as openai:
            with pytest.raises(APIStatusError) as caught:
                await openai.post(
                    f"/fine_tuning/jobs/{job.id}/consent",
                    body={"share_for_improvement": True},
                    cast_to=object,
                )
            assert caught.value.status_code == 404

    async def test_is_yes_or_no(self, talker: Talker) -> None:
        place = f"/v1/fine_tuning/jobs/{(await talker.asks()).id}/consent"
        wrong: list[dict[str, Any]] = [{}, {"share_for_improvement": "yes"}, {"share": True}]
        for body in wrong:
            assert (await talker.gateway.http.post(place, json=body)).status_code == 400, body


class TestInterrupted:
    async def test_goes_on_as_it_was_asked_for(
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


class TestScrubbing:
    async def test_what_is_learned_from_has_none_and_what_is_kept_has(
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

    async def test_stays_where_nobody_asked(self, talker: Talker, upstream: FakeUpstream) -> None:
        content = dialogues("do 8") + b"\n" + file(dialogue("call 13812345678", "yes"))
        job = await talker.asks_for(await talker.sends_file(content))
        await talker.ended(job.id)
        assert upstream.learner.files == [content]

    async def test_takes_keys_out_too(self, talker: Talker, upstream: FakeUpstream) -> None:
        secret = talker.gateway.key.secret
        content = dialogues("do 8") + b"\n" + file(dialogue("key?", f"it is {secret}"))
        file_id = await talker.sends_file(content)
        job = await talker.asks_for(file_id, extra_body={"scrub": True})
        await talker.ended(job.id)
        assert b"it is <API_KEY>" in upstream.learner.files[0]
