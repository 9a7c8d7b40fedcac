"""Train the industry adapter further on requests that no tool fits, and save it.

`python -m models.industrial_llm.refine --base FOLDER`, with the weights as converted for serving.
One in eight requests of the first training has no fitting tool, and the adapter chose a tool for
each of them. Here it is every second one, with a few examples of other tasks to keep what they
taught.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from models.industrial_llm.data import Selection, load
from models.industrial_llm.examples import DatasetSplit, Example, stable_hash
from models.industrial_llm.learning import TrainingIntervals
from models.industrial_llm.recipes import RECIPES, Recipe
from models.industrial_llm.train import (
    ARTEFACT,
    CHECKPOINT_DIR,
    REPORTED_ERRORS,
    save_trained,
    train,
)
from models.training_data import default_directory

_TOOLS = "tool_choice"
# Requests with a fitting tool, together as many as without: most are short, with no arguments.
_WITHOUT_ARGUMENTS, _WITH_ARGUMENTS = 250, 80
# Examples of each other task whose examples are short.
_KEPT: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(
        ("plain_text", "failure_mode", "fault_system", "terms", "severity", "unknown"), 16
    )
)
# Share of the change that is kept: with all of it, a ninth of the requests for a tool got none;
# without it, each request without a fitting tool got one (card.md).
_MIXING = 0.5
RECIPE: Recipe = replace(RECIPES["cpu"], learning_rate=1e-4, examples=_KEPT)


def balanced(split: DatasetSplit) -> DatasetSplit:
    """Return a split whose training part has as many requests without a tool as with one."""
    answers = [(one, json.loads(one.answer)) for one in split.train]
    groups: tuple[tuple[list[Example], int | None], ...] = (
        ([one for one, answer in answers if answer["tool"] is None], None),
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the adapter further and save it."""
    parser = argparse.ArgumentParser(
        description="Train the industry adapter on requests without a fitting tool."
    )
    add = parser.add_argument
    add("--base", type=Path, required=True, help="directory of the base model's weights")
    add("--start", type=Path, default=ARTEFACT, help="adapter to continue training from")
    add("--data", type=Path, default=default_directory(), help="directory of the training sets")
    add("--output", type=Path, default=ARTEFACT, help="directory to write the adapter to")
    options = parser.parse_args(arguments)
    intervals = TrainingIntervals(checkpoint=10, progress=1)
    try:
        # FMC states no licence (card.md).
        corpus = dict(load(options.data, Selection((_TOOLS, *_KEPT), frozenset({"fmc"}))))
        corpus[_TOOLS] = balanced(corpus[_TOOLS])
        trainer = train(
            options.base, RECIPE, corpus, CHECKPOINT_DIR, intervals, options.start, _MIXING
        )
    except REPORTED_ERRORS as error:
        parser.error(str(error))
    save_trained(trainer, options.base, options.output, CHECKPOINT_DIR)


if __name__ == "__main__":
    main()
