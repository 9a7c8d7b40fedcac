"""Evaluation runs through the API: results, comparison, cost, cancellation, deletion."""

import asyncio
from typing import Any

import pytest

from gateway.evaluations.views import expected_text
from gateway.identity.audit_log import AuditFilter, list_account_entries
from tests.support.builders import CHAT, INDUSTRIAL, client, customer
from tests.support.gateway.errors import error_of
from tests.support.gateway.evaluator import PATH, QUESTIONS, RIGHT, Evaluator


class TestResults:
    async def test_completed_run_reports_share_cost_and_latency(self, evaluator: Evaluator) -> None:
        run = await evaluator.evaluate([*QUESTIONS, {"question": "Why?", "expected": "x"}])
        assert (run["status"], run["error"]) == ("completed", None)
        assert run["progress"] == {"finished": 4, "total": 4}
        (result,) = run["results"]
        assert (result["model"], result["correct"], result["finished"]) == (CHAT, 3, 4)
        assert result["share_correct"] == 0.75
        assert result["share_interval_95"] == [0.300642, 0.954413]
        assert (result["refusals"], result["truncated"], result["errors"]) == (1, 0, 0)
        assert result["latency_ms"]["p95"] >= result["latency_ms"]["median"] > 0
        rows = await evaluator.gateway.rows(4)
        assert float(run["cost"]) == pytest.approx(sum(float(row["cost"]) for row in rows))
        assert float(run["cost"]) <= float(run["quoted_max_cost"])
        assert result["output_tokens"] == 32
        assert {row["tags"]["evaluation"] for row in rows} == {run["id"]}
        assert run["comparison"] is None

    async def test_answers_that_the_token_limit_cut_are_counted(self, evaluator: Evaluator) -> None:
        # Without a text the fake upstream generates words up to the limit.
        evaluator.upstream.replies = lambda _model, _prompt: ""
        (result,) = (await evaluator.evaluate())["results"]
        assert (result["finished"], result["truncated"]) == (3, 3)

    async def test_items_have_question_expected_answer_and_usage(
        self, evaluator: Evaluator
    ) -> None:
        run = await evaluator.evaluate()
        first, second, third = await evaluator.items(run["id"])
        assert (first["id"], first["scoring"], first["expected"]) == (
            "pressure",
            "number",
            "0.5 MPa",
        )
        (answer,) = first["answers"]
        assert (answer["answer"], answer["found"], answer["correct"]) == ("5 bar", "5 bar", True)
        rows = {row["request_id"]: row for row in await evaluator.gateway.rows(3)}
        assert rows[answer["request_id"]]["cost"] == answer["cost"]
        assert [second["scoring"], third["scoring"]] == ["contains", "choice"]
        assert [one["id"] for one in await evaluator.items(run["id"], after=0, limit=1)] == ["seal"]

    async def test_expected_alternatives_are_listed(self, evaluator: Evaluator) -> None:
        question = {"question": "Which seal leaks?", "expected_any": ["seal", "密封"]}
        parts = {"question": "Which seal leaks?", "expected_all": ["mechanical", "seal"]}
        named = [{**question, "id": "any"}, {**parts, "id": "all"}]
        run = await evaluator.evaluate(named)
        assert run["results"][0]["correct"] == 2
        items = await evaluator.items(run["id"])
        assert items[0]["expected_any"] == ["seal", "密封"]
        assert items[1]["expected_all"] == ["mechanical", "seal"]
        assert [expected_text(one) for one in items] == ["seal / 密封", "mechanical + seal"]

    async def test_two_models_are_compared_on_the_same_questions(
        self, evaluator: Evaluator
    ) -> None:
        questions = [
            {"question": f"How much {n}?", "expected": "5 bar", "id": f"q{n}"} for n in range(7)
        ]
        evaluator.upstream.replies = lambda model, prompt: (
            "5 bar" if model == CHAT or prompt == "How much 0?" else "7 bar"
        )
        run = await evaluator.evaluate(questions, against=INDUSTRIAL)
        assert [one["correct"] for one in run["results"]] == [7, 1]
        compared = run["comparison"]
        assert (compared["verdict"], compared["only_model"]) == ("better", 6)
        assert (compared["both_correct"], compared["p_value"]) == (1, 0.03125)
        differing = await evaluator.items(run["id"], differing=True)
        assert [one["id"] for one in differing] == [f"q{n}" for n in range(1, 7)]
        assert [one["correct"] for one in differing[0]["answers"]] == [True, False]

    async def test_failed_question_counts_as_not_correct(self, evaluator: Evaluator) -> None:
        questions = [*QUESTIONS[:1], {"question": "too-long text", "expected": "x"}]
        run = await evaluator.evaluate(questions)
        (result,) = run["results"]
        assert (result["errors"], result["correct"], result["finished"]) == (1, 1, 2)
        failed = (await evaluator.items(run["id"]))[1]["answers"][0]
        assert (failed["status"], failed["error"]["code"]) == ("failed", "context_length_exceeded")

    async def test_question_that_the_model_crashes_on_is_tried_three_times(
        self, evaluator: Evaluator
    ) -> None:
        run = await evaluator.evaluate([{"question": "rubbish", "expected": "x"}, *QUESTIONS[:1]])
        assert run["status"] == "completed"
        failed = (await evaluator.items(run["id"]))[0]["answers"][0]
        assert failed["error"]["code"] == "model_failed"
        settled = [row["settlement"] for row in await evaluator.gateway.rows(4)]
        assert settled.count("platform_fault") == 3

    async def test_answer_with_characters_that_cannot_be_stored_is_scored(
        self, evaluator: Evaluator
    ) -> None:
        evaluator.upstream.replies = lambda _model, _prompt: "5 bar\x00 \ud83d"
        run = await evaluator.evaluate(QUESTIONS[:1])
        assert run["status"] == "completed"
        assert run["progress"]["finished"] == 1

    @pytest.mark.parametrize(
        ("questions", "fields"),
        [([{"question": "a\x00b", "expected": "x"}], {}), (QUESTIONS, {"model": "a\x00"})],
    )
    async def test_nul_character_is_rejected(
        self, evaluator: Evaluator, questions: Any, fields: dict[str, Any]
    ) -> None:
        file = await evaluator.upload(questions)
        answer = await evaluator.post(**{"model": CHAT, "file": file, **fields})
        assert answer.status_code in (400, 404)


class TestLists:
    async def test_runs_are_listed_newest_first(self, evaluator: Evaluator) -> None:
        made = [(await evaluator.evaluate(name=f"run {n}"))["id"] for n in range(2)]
        page = (await evaluator.gateway.http.get(PATH, params={"limit": 1})).json()
        assert ([one["id"] for one in page["data"]], page["has_more"]) == ([made[1]], True)
        rest = (await evaluator.gateway.http.get(PATH, params={"after": made[1]})).json()
        assert [one["name"] for one in rest["data"]] == ["run 0"]

    async def test_run_of_another_account_is_not_found(self, evaluator: Evaluator) -> None:
        run, gateway = await evaluator.evaluate(), evaluator.gateway
        _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
        headers = {"authorization": f"Bearer {key.secret}"}
        async with client(gateway.url, headers) as http:
            for method, path in (
                ("get", ""),
                ("get", "/output_items"),
                ("post", "/cancel"),
                ("post", "/resume"),
                ("delete", ""),
            ):
                answer = await http.request(method, f"{PATH}/{run['id']}{path}")
                assert answer.status_code == 404
                assert error_of(answer)["code"] == "evaluation_run_not_found"
            assert (await http.get(PATH)).json()["data"] == []
            stolen = await http.post(PATH, json={"model": CHAT, "file": run["file"]})
            assert error_of(stolen)["code"] == "file_not_found"

    async def test_repeated_idempotency_key_creates_one_run(self, evaluator: Evaluator) -> None:
        body = {"model": CHAT, "file": await evaluator.upload()}
        answers = [
            await evaluator.gateway.http.post(PATH, json=body, headers={"idempotency-key": "a"})
            for _ in range(2)
        ]
        assert answers[0].json()["id"] == answers[1].json()["id"]
        assert len((await evaluator.gateway.http.get(PATH)).json()["data"]) == 1


class TestAuditLog:
    async def test_changes_through_the_api_name_the_key_and_the_limit(
        self, evaluator: Evaluator
    ) -> None:
        gateway = evaluator.gateway
        await gateway.parts.evaluation_runner.stop()
        run = (await evaluator.create(max_cost="0.50"))["id"]
        await evaluator.post(f"/{run}/cancel")
        await evaluator.post(f"/{run}/resume", max_cost="0.75")
        await evaluator.post(f"/{run}/cancel")
        await gateway.http.delete(f"{PATH}/{run}")
        async with gateway.parts.database.transaction() as session:
            entries = await list_account_entries(session, gateway.account.id, limit=5)
        actions = ["deleted", "canceled", "resumed", "canceled", "created"]
        assert [entry.action for entry in entries] == [f"evaluation.{one}" for one in actions]
        key = f"key_{gateway.key.row.id.hex}"
        assert {(entry.subject, entry.details["key"]) for entry in entries} == {(run, key)}
        assert all(entry.is_by_key and entry.address == "127.0.0.1" for entry in entries)
        assert entries[4].details["model"] == CHAT
        assert [entries[n].details["max_cost"] for n in (4, 2)] == [500_000_000, 750_000_000]

    async def test_repeated_or_refused_requests_add_no_entry(self, evaluator: Evaluator) -> None:
        gateway = evaluator.gateway
        await gateway.parts.evaluation_runner.stop()
        body = {"model": CHAT, "file": await evaluator.upload()}
        for _ in range(2):
            await gateway.http.post(PATH, json=body, headers={"idempotency-key": "a"})
        run = (await gateway.http.get(PATH)).json()["data"][0]["id"]
        assert (await evaluator.post(f"/{run}/resume")).status_code == 409
        assert (await gateway.http.delete(f"{PATH}/{run}")).status_code == 409
        async with gateway.parts.database.transaction() as session:
            entries = await list_account_entries(
                session, gateway.account.id, filters=AuditFilter("evaluation")
            )
        assert [entry.action for entry in entries] == ["evaluation.created"]


class TestEnding:
    async def test_cancelled_run_sends_no_more_questions(self, evaluator: Evaluator) -> None:
        questions = [{"question": f"hang {n}", "expected": "x"} for n in range(9)]
        run = await evaluator.create(questions)
        async with asyncio.timeout(30):
            while evaluator.upstream.running < 4:  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.01)
        assert error_of(await evaluator.gateway.http.delete(f"{PATH}/{run['id']}"))["code"] == (
            "evaluation_run_open"
        )
        cancelled = (await evaluator.post(f"/{run['id']}/cancel")).json()
        assert cancelled["status"] == "canceled"
        again = await evaluator.post(f"/{run['id']}/cancel")
        assert (again.status_code, error_of(again)["code"]) == (409, "evaluation_run_over")
        assert len(evaluator.upstream.received) == 4

    async def test_deleted_run_is_gone_and_its_usage_stays(self, evaluator: Evaluator) -> None:
        run = await evaluator.evaluate()
        deleted = await evaluator.gateway.http.delete(f"{PATH}/{run['id']}")
        assert deleted.json()["deleted"]
        assert (await evaluator.gateway.http.get(f"{PATH}/{run['id']}")).status_code == 404
        await evaluator.gateway.rows(3)

    async def test_run_goes_on_after_its_file_was_deleted(self, evaluator: Evaluator) -> None:
        evaluator.upstream.delay_s = 0.05
        run = await evaluator.create([*QUESTIONS, *[{"question": "w?", "expected": "x"}] * 9])
        await evaluator.gateway.http.delete(f"/v1/files/{run['file']}")
        assert (await evaluator.ended(run["id"]))["status"] == "completed"


def test_right_answers_belong_to_questions() -> None:
    assert set(RIGHT) == {one["question"] for one in QUESTIONS}
