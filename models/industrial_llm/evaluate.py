"""Measure a served model: `python -m models.industrial_llm.evaluate --url … --model …`.

Owns `metrics.json`: under each name, every task's figures by source. The base is measured by the
same command with `--shots 5`, the adapter with none.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.industrial_llm.asking import Prompt, Server, ServerUnfit
from models.industrial_llm.chat import asked
from models.industrial_llm.data import TASKS, Selection, SelectionInvalid, load
from models.industrial_llm.examples import Example, Parts, Schema, Task
from models.industrial_llm.scoring import Answered, Figures, score
from models.training_data import TrainingDataMissing, default_directory

METRICS = Path(__file__).with_name("metrics.json")
SEED = 11
_TOLD = 50
_ENUM_ROOM = 24

Found = dict[str, dict[str, Figures]]
"""By task, by source."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is measured: a part of the corpus, with so many answered examples before each text.

    sources: only these; all where empty. limit: of examples a task, by chance; all where None.
    as_enum: tasks with a closed list of answers are asked for JSON, by a schema with an enum.
    """

    part: str = "test"
    shots: int = 0
    sources: frozenset[str] = frozenset()
    limit: int | None = None
    as_enum: bool = False


def measured(
    corpus: Mapping[str, Parts], judged: Judged, server: Server
) -> tuple[Found, list[Answered]]:
    """The figures, and the answers behind them. Raises ServerUnfit."""
    found, all_answers = Found(), list[Answered]()
    for name, parts in corpus.items():
        answered = _answered(TASKS[name], parts, judged, server)
        if answered:
            found[name] = score(name, answered)
            all_answers += answered
    return found, all_answers


def prompts(task: Task, parts: Parts, judged: Judged) -> list[tuple[Example, Prompt]]:
    """What is asked of a task's examples."""
    chance = random.Random(SEED)  # noqa: S311
    wanted = [one for one in getattr(parts, judged.part) if _is_wanted(one, judged)]
    if judged.limit is not None and judged.limit < len(wanted):
        wanted = chance.sample(wanted, judged.limit)
    schema = enum_schema(task) if judged.as_enum else task.schema
    return [
        (one, _prompt(task, one, _shots(parts, one, judged.shots, chance), schema))
        for one in wanted
    ]


def enum_schema(task: Task) -> Schema | None:
    """An object whose one property is one of the task's labels, as a client would ask for it; the
    task's own schema where it has no labels."""
    if not task.labels:
        return task.schema
    return {
        "type": "object",
        "properties": {task.name: {"type": "string", "enum": list(task.labels)}},
        "required": [task.name],
        "additionalProperties": False,
    }


def label_of(task: Task, answer: str) -> str:
    """The label in an answer by `enum_schema`; the answer itself where it holds none."""
    try:
        found = json.loads(answer)
    except ValueError:
        return answer
    return str(found.get(task.name, answer)) if isinstance(found, dict) else answer


def pooled(metrics: Mapping[str, Found], names: Sequence[str], task: str, source: str) -> Figures:
    """The figures of several runs as of one: of folds, each judged by another adapter.

    Raises KeyError where one of them was not measured.
    """
    runs = [metrics[name][task][source] for name in names]
    total = sum(run["examples"] for run in runs)
    figures = {
        key: round(sum(run[key] * run["examples"] for run in runs) / total, 4)
        for key in runs[0]
        if key != "examples"
    }
    return {"examples": total} | figures


def _answered(task: Task, parts: Parts, judged: Judged, server: Server) -> list[Answered]:
    asked_for = prompts(task, parts, judged)
    answers = server.answers([prompt for _, prompt in asked_for], _tell(task.name, len(asked_for)))
    if judged.as_enum and task.labels:
        answers = [label_of(task, said) for said in answers]
    return [Answered(one, said) for (one, _), said in zip(asked_for, answers, strict=True)]


def _is_wanted(example: Example, judged: Judged) -> bool:
    return not judged.sources or example.source in judged.sources


def _prompt(
    task: Task, example: Example, shots: Sequence[Example], schema: Schema | None
) -> Prompt:
    # JSON around a label takes some tokens more than the label.
    room = 0 if schema is task.schema else _ENUM_ROOM
    return Prompt(tuple(asked(task, example, shots)), task.longest + room, schema)


def _shots(parts: Parts, example: Example, count: int, chance: random.Random) -> list[Example]:
    """From what is learned from, in the example's language where there are enough."""
    alike = [one for one in parts.train if one.language == example.language]
    return chance.sample(alike if len(alike) >= count else list(parts.train), count)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, add to the figures under a name, and show them."""
    parser = _parser()
    options = parser.parse_args(arguments)
    selection = Selection(tuple(options.only), frozenset(), options.fold)
    judged = Judged(
        options.part, options.shots, frozenset(options.source), options.limit, options.as_enum
    )
    server = Server(options.url.rstrip("/"), options.key, options.model)
    try:
        found, answered = measured(load(options.data, selection), judged, server)
    except (TrainingDataMissing, SelectionInvalid, ServerUnfit) as error:
        parser.error(str(error))
    _record(options.output, options.name or options.model, found)
    if options.answers:
        _keep(options.answers, answered)
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure a served model on the held-out tasks.")
    add = parser.add_argument
    add("--url", required=True, help="of the server, with /v1")
    add("--key", default="", help="for it")
    add("--model", required=True, help="as the server calls it")
    add("--name", help="under which figures are kept; the model's where not given")
    add("--shots", type=int, default=0, help="answered examples before each text")
    add("--data", type=Path, default=default_directory(), help="training sets")
    add("--only", nargs="+", default=list(TASKS), metavar="TASK", help="these tasks alone")
    add("--source", nargs="+", default=[], help="of the examples, these sources alone")
    add("--fold", type=int, default=0, help="of the faults that are judged")
    add("--part", choices=("test", "validation"), default="test", help="which is asked")
    add("--as-enum", action="store_true", help="ask for labels as JSON, by a schema with an enum")
    add("--limit", type=int, help="examples a task")
    add("--answers", type=Path, help="where every answer goes, one a line")
    add("--output", type=Path, default=METRICS, help="where the figures go")
    return parser


def _record(path: Path, name: str, found: Found) -> None:
    """Add to what is there; a task that was measured again under this name is replaced."""
    metrics: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    metrics[name] = metrics.get(name, {}) | found
    path.write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _keep(path: Path, answered: Sequence[Answered]) -> None:
    lines = (
        json.dumps(
            {
                "task": one.example.task,
                "source": one.example.source,
                "text": one.example.text,
                "wanted": one.example.answer,
                "answer": one.answer,
            },
            ensure_ascii=False,
        )
        for one in answered
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tell(task: str, count: int) -> Any:
    def report(done: int) -> None:
        if done % _TOLD == 0 or done == count:
            sys.stderr.write(f"{task}: {done} of {count}\n")

    return report


if __name__ == "__main__":
    main()
