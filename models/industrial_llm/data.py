"""Every task's examples, in one corpus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.industrial_llm.examples import FOLDS, Parts, Task
from models.industrial_llm.tasks import (
    extraction,
    failure_mode,
    fault_system,
    passages,
    plain_text,
    severity,
    terms,
    tool_choice,
    unknown,
)
from models.training_data import TrainingDataMissing

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            failure_mode.TASK,
            plain_text.TASK,
            extraction.TASK,
            fault_system.TASK,
            terms.TASK,
            severity.TASK,
            tool_choice.TASK,
            unknown.TASK,
            passages.TASK,
        )
    }
)


class SelectionInvalid(ValueError):
    """A task, a source or a fold is named that there is not; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the examples is wanted: some tasks, without some sources, and the fold to judge."""

    tasks: tuple[str, ...] = tuple(TASKS)
    left_out: frozenset[str] = frozenset()
    fold: int = 0


def load(directory: Path, selection: Selection) -> Mapping[str, Parts]:
    """By task. Raises TrainingDataMissing and SelectionInvalid."""
    _require(selection.tasks, TASKS, "task")
    if not 0 <= selection.fold < FOLDS:
        raise SelectionInvalid(f"There is no fold {selection.fold}, but 0 to {FOLDS - 1}.")
    whole = {name: TASKS[name].load(directory, selection.fold) for name in selection.tasks}
    _require(selection.left_out, sources(whole), "source")
    return {name: parts.without(selection.left_out) for name, parts in whole.items()}


def at_hand(directory: Path) -> Mapping[str, Parts]:
    """Of each task what there is here: all of it, or our own examples where the training sets are
    absent. A task without any is left out."""
    found = {name: _at_hand(task, directory) for name, task in TASKS.items()}
    return {name: parts for name, parts in found.items() if parts != Parts()}


def _at_hand(task: Task, directory: Path) -> Parts:
    try:
        return task.load(directory, 0)
    except TrainingDataMissing:
        return task.own()


def sources(corpus: Mapping[str, Parts]) -> tuple[str, ...]:
    """What can be left out."""
    parts = corpus.values()
    return tuple(sorted({one.source for some in parts for one in (*some.train, *some.test)}))


def _require(named: Iterable[str], known: Iterable[str], kind: str) -> None:
    for name in sorted(set(named) - set(known)):
        raise SelectionInvalid(f"There is no {kind} {name!r}, but {', '.join(known)}.")
