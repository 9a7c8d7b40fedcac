"""Load the examples of all tasks as one corpus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.industrial_llm.examples import FOLDS, DatasetSplit, Task
from models.industrial_llm.tasks import (
    extraction,
    failure_mode,
    fault_system,
    grounded,
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
            grounded.TASK,
        )
    }
)


class SelectionInvalid(ValueError):
    """A selection names an unknown task, source or fold; the message lists the known ones."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of examples: tasks, sources to exclude and the test fold."""

    tasks: tuple[str, ...] = tuple(TASKS)
    excluded_sources: frozenset[str] = frozenset()
    fold: int = 0


def load(directory: Path, selection: Selection) -> Mapping[str, DatasetSplit]:
    """Load the selected examples by task. Raises TrainingDataMissing and SelectionInvalid."""
    _require_known_names(selection.tasks, TASKS, "task")
    if not 0 <= selection.fold < FOLDS:
        raise SelectionInvalid(f"There is no fold {selection.fold}, but 0 to {FOLDS - 1}.")
    corpus = {name: TASKS[name].load(directory, selection.fold) for name in selection.tasks}
    _require_known_names(selection.excluded_sources, list_sources(corpus), "source")
    return {
        name: split.without_sources(selection.excluded_sources) for name, split in corpus.items()
    }


def load_available(directory: Path) -> Mapping[str, DatasetSplit]:
    """Load each task's examples; without the training set only those written for this project.

    Tasks without any examples are left out.
    """
    corpus = {name: _load_with_fallback(task, directory) for name, task in TASKS.items()}
    return {name: split for name, split in corpus.items() if split != DatasetSplit()}


def _load_with_fallback(task: Task, directory: Path) -> DatasetSplit:
    """Load a task's examples; without the training set only those written for this project."""
    try:
        return task.load(directory, 0)
    except TrainingDataMissing:
        return task.load_project_examples()


def list_sources(corpus: Mapping[str, DatasetSplit]) -> tuple[str, ...]:
    """Return the names of all sources in the corpus, sorted."""
    splits = corpus.values()
    return tuple(
        sorted({example.source for split in splits for example in (*split.train, *split.test)})
    )


def _require_known_names(names: Iterable[str], known: Iterable[str], kind: str) -> None:
    """Raise SelectionInvalid for a name that is not known."""
    for name in sorted(set(names) - set(known)):
        raise SelectionInvalid(f"There is no {kind} {name!r}, but {', '.join(known)}.")
