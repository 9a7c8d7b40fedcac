"""Train the industry adapter further on the choice of tools, and save it.

`python -m models.industrial_llm.refine --base FOLDER`, with the weights as converted for serving.
The first training asks for tools only by an instruction of our own and chose a tool for each
request that none fits. Here most requests offer the tools as functions, as programs do, many of
them need none, and a few examples of other tasks keep what those taught.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from models.industrial_llm.batches import Batch
from models.industrial_llm.data import Selection, load
from models.industrial_llm.examples import DatasetSplit, Example, stable_hash
from models.industrial_llm.function_dialogues import (
    BatchContents,
    build_function_batches,
    plan_batches,
)
from models.industrial_llm.learning import Trainer, TrainingIntervals
from models.industrial_llm.own_answers import begin_answers
from models.industrial_llm.recipes import RECIPES, Recipe
from models.industrial_llm.tasks.tools import list_tools
from models.industrial_llm.train import (
    ARTEFACT,
    CHECKPOINT_DIR,
    REPORTED_ERRORS,
    BatchBuilder,
    save_trained,
    train,
)
from models.training_data import default_directory

_TOOLS = "tool_choice"
# Requests by our own instruction: without a fitting tool, with a tool and no arguments, and with.
_WITHOUT_TOOL, _WITHOUT_ARGUMENTS, _WITH_ARGUMENTS = 112, 56, 120
# Examples of each other task whose examples are short.
_KEPT: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(
        ("plain_text", "failure_mode", "fault_system", "terms", "severity", "unknown"), 16
    )
)
# All tools as functions are 3,700 tokens.
_LIMIT = 4_608
FUNCTIONS = BatchContents(batches=32)
RECIPE: Recipe = replace(
    RECIPES["cpu"], learning_rate=1e-4, examples=_KEPT, limit=_LIMIT, shares_prefix=True
)


def select(split: DatasetSplit) -> DatasetSplit:
    """Return a split whose training part has so many requests of each kind, of all tools."""
    answers = [(one, json.loads(one.answer)) for one in split.train]
    groups: tuple[tuple[list[Example], int], ...] = (
        ([one for one, answer in answers if answer["tool"] is None], _WITHOUT_TOOL),
        (
            [one for one, answer in answers if answer["tool"] and not answer["arguments"]],
            _WITHOUT_ARGUMENTS,
        ),
        ([one for one, answer in answers if answer["arguments"]], _WITH_ARGUMENTS),
    )
    # By a hash of the text, so that new examples change the selection of no other.
    chosen = [
        one
        for group, limit in groups
        for one in sorted(group, key=lambda example: stable_hash(example.text))[:limit]
    ]
    return replace(split, train=tuple(chosen))


def function_batches(examples: Sequence[Example]) -> BatchBuilder:
    """Return a builder of the batches whose requests offer the tools as functions."""

    def build(trainer: Trainer) -> Sequence[Batch]:
        planned = plan_batches(examples, list_tools(), FUNCTIONS, RECIPE.seed)
        texts = [one.text for batch in planned for one in batch.texts]
        beginnings = begin_answers(trainer.model, trainer.encoder, texts)
        generator = random.Random(RECIPE.seed)  # noqa: S311
        return build_function_batches(planned, beginnings, generator)

    return build


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the adapter further and save it."""
    parser = argparse.ArgumentParser(
        description="Train the industry adapter further on the choice of tools."
    )
    add = parser.add_argument
    add("--base", type=Path, required=True, help="directory of the base model's weights")
    add("--start", type=Path, default=ARTEFACT, help="adapter to continue training from")
    add("--data", type=Path, default=default_directory(), help="directory of the training sets")
    add("--output", type=Path, default=ARTEFACT, help="directory to write the adapter to")
    add("--mixing", type=float, default=1.0, help="share of the change to keep (default: 1)")
    options = parser.parse_args(arguments)
    intervals = TrainingIntervals(checkpoint=10, progress=1)
    try:
        # FMC states no licence (card.md).
        corpus = dict(load(options.data, Selection((_TOOLS, *_KEPT), frozenset({"fmc"}))))
        requests = corpus[_TOOLS].train
        corpus[_TOOLS] = select(corpus[_TOOLS])
        trainer = train(
            options.base,
            RECIPE,
            corpus,
            CHECKPOINT_DIR,
            intervals,
            options.start,
            options.mixing,
            function_batches(requests),
        )
    except REPORTED_ERRORS as error:
        parser.error(str(error))
    save_trained(trainer, options.base, options.output, CHECKPOINT_DIR)


if __name__ == "__main__":
    main()
