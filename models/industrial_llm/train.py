"""Learn an adapter and write it: `python -m models.industrial_llm.train --base FOLDER`.

The base is a folder of weights as serving obtains them, so that what is learned for is what is
served. Stopped at any moment, the same command goes on.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from models.industrial_llm import lora
from models.industrial_llm.batches import fingerprint, steps, watched
from models.industrial_llm.checkpoints import Checkpoints, CheckpointUnfit
from models.industrial_llm.data import TASKS, Selection, SelectionInvalid, load
from models.industrial_llm.encoding import Encoder, TemplateUnfit
from models.industrial_llm.examples import Parts
from models.industrial_llm.learning import Learner, Pace, Reached
from models.industrial_llm.recipes import RECIPES, Recipe
from models.training_data import TrainingDataMissing, default_directory

ARTEFACT = Path(__file__).with_name("adapter")
WORK = Path("build", "industrial_llm")
WATCHED = 96
EVERY = 50

_FAULTS = (
    TrainingDataMissing, SelectionInvalid, CheckpointUnfit, TemplateUnfit, lora.AdapterUnfit,
)  # fmt: skip


def train(
    base: Path,
    recipe: Recipe,
    corpus: Mapping[str, Parts],
    work: Path,
    pace: Pace,
    start: Path | None = None,
) -> Learner:
    """The learner after all steps. Raises TemplateUnfit, CheckpointUnfit and AdapterUnfit."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = Encoder.of(base, recipe.template)
    learner = Learner(lora.loaded(base, recipe, device), encoder, recipe, device)
    if start is not None:
        lora.start_from(learner.model, start)
    order = steps(corpus, recipe, learner.length)
    kept = Checkpoints(work, fingerprint(order, recipe, f"{base.name} {start}"))
    learner.learn(order, watched(corpus, WATCHED, recipe.seed), kept, _tell, pace)
    return learner


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn and write the adapter."""
    parser = _parser()
    options = parser.parse_args(arguments)
    recipe = RECIPES[options.profile]
    if options.rounds:
        recipe = replace(recipe, rounds=dict.fromkeys(TASKS, options.rounds))
    selection = Selection(tuple(options.only), frozenset(options.leave_out), options.fold)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        corpus = load(options.data, selection)
        learner = train(
            options.base, recipe, corpus, options.work, Pace(kept=options.every), options.start
        )
    except _FAULTS as error:
        parser.error(str(error))
    lora.write(learner.model, options.output, recipe.base)
    # Only now: what was learned lies elsewhere.
    Checkpoints(options.work, "").clear()
    size = (options.output / lora.WEIGHTS).stat().st_size
    sys.stdout.write(f"{options.output}: {size} bytes\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Learn an adapter of the industrial model.")
    add = parser.add_argument
    add("--base", type=Path, required=True, help="folder of the base's weights")
    add("--profile", choices=RECIPES, default="cpu", help="whose recipe")
    add("--data", type=Path, default=default_directory(), help="training sets")
    add("--only", nargs="+", default=list(TASKS), metavar="TASK", help="these tasks alone")
    add("--leave-out", nargs="+", default=[], metavar="SOURCE", help="learn without these")
    add("--fold", type=int, default=0, help="of the faults, which are left out")
    add("--rounds", type=int, help="over each task, instead of the recipe's")
    add("--start", type=Path, help="an adapter to go on from")
    add("--work", type=Path, default=WORK, help="where checkpoints lie until it is done")
    add("--every", type=int, default=EVERY, help="steps from one checkpoint to the next")
    add("--threads", type=int, help="of the processor")
    add("--output", type=Path, default=ARTEFACT, help="where the adapter goes")
    return parser


def _tell(reached: Reached) -> None:
    watched = "" if reached.validation is None else f", validation {reached.validation:.3f}"
    averaged = f", mean of the last {reached.averaged}" if reached.averaged else ""
    sys.stderr.write(
        f"step {reached.step}/{reached.steps}{averaged}, loss {reached.loss:.3f}{watched}, "
        f"{reached.seconds / 60:.1f} min, {reached.left / 60:.1f} min left\n"
    )
    sys.stderr.flush()


if __name__ == "__main__":
    main()
