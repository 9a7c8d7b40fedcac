"""Evaluation of a served model: prompts, metrics and errors."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from models.industrial_llm import evaluate
from models.industrial_llm.asking import ChatClient, ChatServerError, Prompt
from models.industrial_llm.data import TASKS
from models.industrial_llm.evaluate import (
    EvaluationOptions,
    build_prompts,
    enum_schema,
    evaluate_model,
    parse_label,
    pool_runs,
)
from models.industrial_llm.examples import DatasetSplit, Example

TASK = TASKS["failure_mode"]
Handler = Callable[[httpx.Request], httpx.Response]


def orders(part: str, count: int) -> tuple[Example, ...]:
    return tuple(
        Example(TASK.name, f"company_{n % 2}", "en", f"{part} order {n}", "Noise")
        for n in range(count)
    )


CORPUS = {
    TASK.name: DatasetSplit(orders("learned", 20), orders("watched", 6), orders("judged", 10))
}


def said(text: str) -> httpx.Response:
    return httpx.Response(200, json={"choices": [{"message": {"content": text}}]})


def server(handler: Handler) -> ChatClient:
    return ChatClient("http://models/v1", "key", "ours", httpx.MockTransport(handler))


class TestChatClient:
    def test_request_has_temperature_0_and_response_schema(self) -> None:
        bodies = []

        def handler(request: httpx.Request) -> httpx.Response:
            assert request.url == "http://models/v1/chat/completions"
            assert request.headers["authorization"] == "Bearer key"
            bodies.append(json.loads(request.content))
            return said(" {} \n\n")

        prompt = Prompt(({"role": "user", "content": "x"},), 9, TASKS["severity"].schema)
        assert server(handler).complete_all([prompt], lambda done: None) == ["{}"]
        (body,) = bodies
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("ours", 0, 9)
        schema = body["response_format"]["json_schema"]["schema"]
        assert schema == dict(TASKS["severity"].schema or {})

    def test_answers_keep_prompt_order(self) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            return said(json.loads(request.content)["messages"][0]["content"])

        asked = [Prompt(({"role": "user", "content": str(n)},), 9) for n in range(30)]
        told: list[int] = []
        assert server(handler).complete_all(asked, told.append) == [str(n) for n in range(30)]
        assert told == list(range(1, 31))

    @pytest.mark.parametrize("status", [401, 404, 500])
    def test_error_status_raises_chat_server_error(self, status: int) -> None:
        refused = server(lambda request: httpx.Response(status, text="no such model"))
        with pytest.raises(ChatServerError, match=f"{status}: no such model"):
            refused.complete_all([Prompt((), 9)], lambda done: None)

    def test_unreachable_server_raises_chat_server_error(self) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

        with pytest.raises(ChatServerError, match="cannot be reached"):
            server(handler).complete_all([Prompt((), 9)], lambda done: None)


class TestPromptBuilding:
    def test_few_shot_examples_are_from_training_split(self) -> None:
        asked = build_prompts(TASK, CORPUS[TASK.name], EvaluationOptions(shots=5))
        assert [example.text for example, _ in asked] == [f"judged order {n}" for n in range(10)]
        for _, prompt in asked:
            texts = [one["content"] for one in prompt.messages if one["role"] == "user"]
            assert len(texts) == 6
            assert all(text.startswith("learned") for text in texts[:-1])

    def test_split_source_and_limit_select_examples(self) -> None:
        parts = CORPUS[TASK.name]
        watched = build_prompts(
            TASK, parts, EvaluationOptions("validation", sources=frozenset({"company_1"}))
        )
        assert [one.text for one, _ in watched] == [f"watched order {n}" for n in (1, 3, 5)]
        few = build_prompts(TASK, parts, EvaluationOptions(limit=4))
        assert few == build_prompts(TASK, parts, EvaluationOptions(limit=4))
        assert len(few) == 4


class TestEnumPrompts:
    def test_labels_are_requested_as_enum_and_scored_as_text(self) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            schema = json.loads(request.content)["response_format"]["json_schema"]["schema"]
            assert schema["required"] == [TASK.name]
            assert schema["properties"][TASK.name]["enum"] == list(TASK.labels)
            return said(json.dumps({TASK.name: "Noise"}))

        found, answered = evaluate_model(CORPUS, EvaluationOptions(as_enum=True), server(handler))
        assert {one.answer for one in answered} == {"Noise"}
        assert found[TASK.name]["company_0"]["accuracy"] == 1

    @pytest.mark.parametrize("text", ["Noise", "[1]", '{"failure_mode": "No'])
    def test_answer_that_is_not_label_json_is_unchanged(self, text: str) -> None:
        assert parse_label(TASK, text) == text

    def test_task_without_labels_keeps_own_schema(self) -> None:
        severity = TASKS["severity"]
        assert enum_schema(severity) == severity.schema


class TestModelEvaluation:
    def test_accuracy_is_reported_per_source(self) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            text = json.loads(request.content)["messages"][-1]["content"]
            return said("Noise" if text.endswith(("0", "1", "2")) else "Leaking")

        found, answered = evaluate_model(CORPUS, EvaluationOptions(), server(handler))
        assert found == {
            TASK.name: {
                "company_0": {"examples": 5, "accuracy": 0.4},
                "company_1": {"examples": 5, "accuracy": 0.2},
            }
        }
        assert len(answered) == 10

    def test_fold_accuracies_are_weighted_by_example_count(self) -> None:
        runs = {
            name: {"fault_system": {"faults": {"examples": count, "accuracy": right}}}
            for name, count, right in (("fold_0", 10, 0.5), ("fold_1", 30, 0.9))
        }
        assert pool_runs(runs, ["fold_0", "fold_1"], "fault_system", "faults") == {
            "examples": 40,
            "accuracy": 0.8,
        }


class TestEvaluateCommand:
    def test_results_are_added_to_existing_metrics_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        output, answers = tmp_path / "metrics.json", tmp_path / "answers.jsonl"
        output.write_text('{"base": {"terms": {}}, "ours": {"terms": {}}}', encoding="utf-8")
        monkeypatch.setattr(
            ChatClient, "complete_all", lambda self, asked, report: ["I do not know."] * len(asked)
        )
        arguments = ["--url", "http://models/v1/", "--model", "m", "--name", "ours"]
        places = ["--output", str(output), "--answers", str(answers), "--data", str(tmp_path)]
        evaluate.main([*arguments, *places, "--only", "unknown"])
        kept = json.loads(output.read_text(encoding="utf-8"))
        assert kept["base"] == {"terms": {}}
        assert set(kept["ours"]) == {"terms", "unknown"}
        ((source, figures),) = kept["ours"]["unknown"].items()
        assert figures["admitted"] == 1
        assert figures["answered"] == 0
        lines = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
        assert len(lines) == figures["examples"]
        assert lines[0]["source"] == source
        assert json.loads(capsys.readouterr().out) == {"unknown": kept["ours"]["unknown"]}

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--only", "terms"], "is absent"),
            (["--only", "poetry"], "There is no task 'poetry'"),
            (["--only", "unknown", "--fold", "10"], "There is no fold 10"),
        ],
    )
    def test_invalid_arguments_exit_with_message(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
    ) -> None:
        with pytest.raises(SystemExit):
            evaluate.main(["--url", "x", "--model", "m", "--data", str(tmp_path), *arguments])
        assert words in capsys.readouterr().err
