"""Evaluate a served model on the tasks: `python -m models.industrial_llm.evaluate`.

`--url` is the server and `--model` its model. Writes the figures by task and source to
`metrics.json` under the run's name. The base model is evaluated with `--shots 5`, the adapter
without shots.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.industrial_llm.asking import ChatClient, ChatServerError, Prompt
from models.industrial_llm.chat import evaluation_messages, user_message
from models.industrial_llm.data import TASKS, Selection, SelectionInvalid, load
from models.industrial_llm.examples import DatasetSplit, Example, Schema, Task
from models.industrial_llm.scoring import AnsweredExample, Figures, score_by_source
from models.industrial_llm.tasks.tools import function_tools, list_tools
from models.training_data import TrainingDataMissing, default_directory

METRICS = Path(__file__).with_name("metrics.json")
SEED = 11
_PROGRESS_INTERVAL = 50
_ENUM_EXTRA_TOKENS = 24
_TOOL_CHOICE = "tool_choice"

FiguresByTask = dict[str, dict[str, Figures]]
"""Figures by task and source."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to evaluate: the part of the corpus and the number of shots.

    `shots` is the number of answered examples before each text. `sources` restricts the sources;
    empty means all. `limit` samples at most so many examples per task. `as_enum` asks for labels as
    JSON, constrained by a schema with an enum. `as_tools` offers the tools of the task
    `tool_choice` as OpenAI's functions, as programs do, in place of a prompt that asks for JSON.
    """

    part: str = "test"
    shots: int = 0
    sources: frozenset[str] = frozenset()
    limit: int | None = None
    as_enum: bool = False
    as_tools: bool = False


def evaluate_model(
    corpus: Mapping[str, DatasetSplit], options: EvaluationOptions, client: ChatClient
) -> tuple[FiguresByTask, list[AnsweredExample]]:
    """Return the model's metrics by task and source, and its answers. Raises ChatServerError."""
    figures, all_answers = FiguresByTask(), list[AnsweredExample]()
    for task_name, split in corpus.items():
        answered = _answer_examples(TASKS[task_name], split, options, client)
        if answered:
            figures[task_name] = score_by_source(task_name, answered)
            all_answers += answered
    return figures, all_answers


def build_prompts(
    task: Task, split: DatasetSplit, options: EvaluationOptions
) -> list[tuple[Example, Prompt]]:
    """Return a task's selected examples, each with its prompt."""
    generator = random.Random(SEED)  # noqa: S311
    selected = [
        example for example in getattr(split, options.part) if _is_selected(example, options)
    ]
    if options.limit is not None and options.limit < len(selected):
        selected = generator.sample(selected, options.limit)
    if options.as_tools and task is TASKS[_TOOL_CHOICE]:
        tools = function_tools(list_tools())
        return [(one, _tool_prompt(one, task, tools)) for one in selected]
    schema = enum_schema(task) if options.as_enum else task.schema
    return [
        (
            example,
            _build_prompt(
                task, example, _sample_shots(split, example, options.shots, generator), schema
            ),
        )
        for example in selected
    ]


def _tool_prompt(example: Example, task: Task, tools: tuple[Schema, ...]) -> Prompt:
    """Return a request as the user's message, with tools to choose from."""
    return Prompt((user_message(example.text),), task.max_tokens, tools=tools)


def enum_schema(task: Task) -> Schema | None:
    """Return a JSON schema with an enum of the task's labels.

    Returns the task's own schema if it has no labels.
    """
    if not task.labels:
        return task.schema
    return {
        "type": "object",
        "properties": {task.name: {"type": "string", "enum": list(task.labels)}},
        "required": [task.name],
        "additionalProperties": False,
    }


def parse_label(task: Task, answer: str) -> str:
    """Return the label from a JSON answer by `enum_schema`; other answers unchanged."""
    try:
        value = json.loads(answer)
    except ValueError:
        return answer
    return str(value.get(task.name, answer)) if isinstance(value, dict) else answer


def pool_runs(
    metrics: Mapping[str, FiguresByTask], names: Sequence[str], task: str, source: str
) -> Figures:
    """Pool the figures of several runs, such as cross-validation folds, weighted by examples.

    Raises KeyError if a run is missing.
    """
    runs = [metrics[name][task][source] for name in names]
    total = sum(run["examples"] for run in runs)
    figures = {
        key: round(sum(run[key] * run["examples"] for run in runs) / total, 4)
        for key in runs[0]
        if key != "examples"
    }
    return {"examples": total} | figures


def _answer_examples(
    task: Task, split: DatasetSplit, options: EvaluationOptions, client: ChatClient
) -> list[AnsweredExample]:
    """Let the model answer a task's selected examples."""
    prompts = build_prompts(task, split, options)
    answers = client.complete_all(
        [prompt for _, prompt in prompts], _progress_printer(task.name, len(prompts))
    )
    if options.as_enum and task.labels:
        answers = [parse_label(task, answer) for answer in answers]
    return [
        AnsweredExample(example, answer)
        for (example, _), answer in zip(prompts, answers, strict=True)
    ]


def _is_selected(example: Example, options: EvaluationOptions) -> bool:
    """Return whether the options include the example's source."""
    return not options.sources or example.source in options.sources


def _build_prompt(
    task: Task, example: Example, shots: Sequence[Example], schema: Schema | None
) -> Prompt:
    """Render an example as a prompt, with more tokens for a label as JSON."""
    # A label as JSON takes more tokens than the plain label.
    extra_tokens = 0 if schema is task.schema else _ENUM_EXTRA_TOKENS
    return Prompt(
        tuple(evaluation_messages(task, example, shots)), task.max_tokens + extra_tokens, schema
    )


def _sample_shots(
    split: DatasetSplit, example: Example, count: int, generator: random.Random
) -> list[Example]:
    """Sample answered training examples, of the same language if there are enough."""
    same_language = [
        candidate for candidate in split.train if candidate.language == example.language
    ]
    return generator.sample(
        same_language if len(same_language) >= count else list(split.train), count
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate the model, store the figures under the run's name and print them."""
    parser = _parser()
    options = parser.parse_args(arguments)
    selection = Selection(tuple(options.only), frozenset(), options.fold)
    evaluation = EvaluationOptions(
        options.part,
        options.shots,
        frozenset(options.source),
        options.limit,
        options.as_enum,
        options.as_tools,
    )
    client = ChatClient(options.url.rstrip("/"), options.key, options.model)
    try:
        figures, answered = evaluate_model(load(options.data, selection), evaluation, client)
    except (TrainingDataMissing, SelectionInvalid, ChatServerError) as error:
        parser.error(str(error))
    _store_figures(options.output, options.name or options.model, figures)
    if options.answers:
        _write_answers(options.answers, answered)
    sys.stdout.write(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


def _parser() -> argparse.ArgumentParser:
    """Return the command line parser."""
    parser = argparse.ArgumentParser(description="Evaluate a served model on the held-out tasks.")
    add = parser.add_argument
    add("--url", required=True, help="base URL of the server, including /v1")
    add("--key", default="", help="API key")
    add("--model", required=True, help="model ID on the server")
    add("--name", help="name of the results (default: the model ID)")
    add("--shots", type=int, default=0, help="few-shot examples per prompt (default: 0)")
    add("--data", type=Path, default=default_directory(), help="directory of the training sets")
    add(
        "--only",
        nargs="+",
        default=list(TASKS),
        metavar="TASK",
        help="tasks to evaluate (default: all)",
    )
    add("--source", nargs="+", default=[], help="sources of examples (default: all)")
    add("--fold", type=int, default=0, help="cross-validation fold of the fault tasks (default: 0)")
    add(
        "--part",
        choices=("test", "validation"),
        default="test",
        help="split to evaluate (default: test)",
    )
    add("--as-enum", action="store_true", help="request labels as JSON with an enum schema")
    add("--as-tools", action="store_true", help="offer the tools of tool_choice as functions")
    add("--limit", type=int, help="maximum number of examples per task")
    add("--answers", type=Path, help="file to write all responses to, one per line")
    add("--output", type=Path, default=METRICS, help="file to write the metrics to")
    return parser


def _store_figures(path: Path, name: str, figures: FiguresByTask) -> None:
    """Merge a run's figures into the JSON file; existing figures of the same task are replaced."""
    metrics: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    metrics[name] = metrics.get(name, {}) | figures
    path.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_answers(path: Path, answered: Sequence[AnsweredExample]) -> None:
    """Write all answers to a file as JSON lines."""
    lines = (
        json.dumps(
            {
                "task": item.example.task,
                "source": item.example.source,
                "text": item.example.text,
                "wanted": item.example.answer,
                "answer": item.answer,
            },
            ensure_ascii=False,
        )
        for item in answered
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _progress_printer(task: str, count: int) -> Any:
    """Return a progress callback that prints to stderr."""

    def report(done: int) -> None:
        if done % _PROGRESS_INTERVAL == 0 or done == count:
            sys.stderr.write(f"{task}: {done} of {count}\n")

    return report


if __name__ == "__main__":
    main()
