"""Train the industry adapter and save it: `python -m models.industrial_llm.train --base FOLDER`.

The base is the folder of weights that serving uses. An interrupted training is resumed by the same
command.
"""

import argparse
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from models.industrial_llm import lora
from models.industrial_llm.batches import Batch, build_batches, fingerprint, sample_validation
from models.industrial_llm.checkpoints import CheckpointMismatch, CheckpointStore
from models.industrial_llm.data import TASKS, Selection, SelectionInvalid, load
from models.industrial_llm.encoding import ChatTemplateError, DialogueEncoder
from models.industrial_llm.examples import DatasetSplit
from models.industrial_llm.learning import Trainer, TrainingIntervals, TrainingProgress
from models.industrial_llm.recipes import RECIPES, Recipe
from models.training_data import TrainingDataMissing, default_directory

ARTEFACT = Path(__file__).with_name("adapter")
CHECKPOINT_DIR = Path("build", "industrial_llm")
VALIDATION_EXAMPLES = 96
CHECKPOINT_INTERVAL = 50

REPORTED_ERRORS = (
    TrainingDataMissing, SelectionInvalid, CheckpointMismatch, ChatTemplateError,
    lora.AdapterMismatch,
)  # fmt: skip

BatchBuilder = Callable[[Trainer], Sequence[Batch]]


def _no_more(_trainer: Trainer) -> Sequence[Batch]:
    """Return no batches beside those of the corpus."""
    return ()


def train(
    base: Path,
    recipe: Recipe,
    corpus: Mapping[str, DatasetSplit],
    checkpoint_dir: Path,
    intervals: TrainingIntervals,
    start_adapter: Path | None = None,
    mixing: float = 1.0,
    build_more: BatchBuilder = _no_more,
) -> Trainer:
    """Train an adapter and return its trainer.

    `mixing`, above 0 and up to 1, is the share of the change from `start_adapter` that is kept.
    `build_more` returns batches beside those of the corpus, by the model as it starts.
    Raises ChatTemplateError, CheckpointMismatch and AdapterMismatch.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = DialogueEncoder.load(base, recipe.template)
    trainer = Trainer(lora.load_model(base, recipe, device), encoder, recipe, device)
    if start_adapter is not None:
        lora.load_adapter_weights(trainer.model, start_adapter)
    start = lora.copy_adapter_weights(trainer.model)
    batches = build_batches(corpus, recipe, trainer.token_count)
    if more := build_more(trainer):
        batches += more
        random.Random(recipe.seed).shuffle(batches)  # noqa: S311
    checkpoints = CheckpointStore(
        checkpoint_dir, fingerprint(batches, recipe, f"{base.name} {start_adapter}")
    )
    trainer.train(
        batches,
        sample_validation(corpus, VALIDATION_EXAMPLES, recipe.seed),
        checkpoints,
        _print_progress,
        intervals,
    )
    lora.interpolate_adapter(trainer.model, start, mixing)
    return trainer


def save_trained(trainer: Trainer, base: Path, output: Path, checkpoint_dir: Path) -> None:
    """Save a trained adapter to the folder `output`, then delete its checkpoints."""
    text_part = lora.text_part_name(base)
    lora.save_adapter(trainer.model, output, trainer.recipe.base, text_part)
    CheckpointStore(checkpoint_dir, "").delete()
    size = (output / lora.WEIGHTS).stat().st_size
    sys.stdout.write(f"{output}: {size} bytes\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train an adapter and save it."""
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
        trainer = train(
            options.base,
            recipe,
            corpus,
            options.work,
            TrainingIntervals(checkpoint=options.every),
            options.start,
        )
    except REPORTED_ERRORS as error:
        parser.error(str(error))
    save_trained(trainer, options.base, options.output, options.work)


def _parser() -> argparse.ArgumentParser:
    """Return the command line parser."""
    parser = argparse.ArgumentParser(description="Train a LoRA adapter of the industrial model.")
    add = parser.add_argument
    add("--base", type=Path, required=True, help="directory of the base model's weights")
    add(
        "--profile",
        choices=RECIPES,
        default="cpu",
        help="hardware profile whose training settings to use (default: cpu)",
    )
    add("--data", type=Path, default=default_directory(), help="directory of the training sets")
    add(
        "--only",
        nargs="+",
        default=list(TASKS),
        metavar="TASK",
        help="tasks to train on (default: all)",
    )
    add(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="sources of examples to leave out",
    )
    add(
        "--fold",
        type=int,
        default=0,
        help="cross-validation fold of the fault tasks to leave out (default: 0)",
    )
    add("--rounds", type=int, help="epochs per task (default: by profile)")
    add("--start", type=Path, help="adapter to continue training from")
    add(
        "--work",
        type=Path,
        default=CHECKPOINT_DIR,
        help="directory for checkpoints during training",
    )
    add(
        "--every",
        type=int,
        default=CHECKPOINT_INTERVAL,
        help="steps between checkpoints",
    )
    add("--threads", type=int, help="number of CPU threads")
    add("--output", type=Path, default=ARTEFACT, help="directory to write the adapter to")
    return parser


def _print_progress(progress: TrainingProgress) -> None:
    """Print step, loss and remaining time to stderr."""
    validation = (
        "" if progress.validation_loss is None else f", validation {progress.validation_loss:.3f}"
    )
    averaged = f", mean of the last {progress.averaged_steps}" if progress.averaged_steps else ""
    sys.stderr.write(
        f"step {progress.step}/{progress.total_steps}{averaged}, loss {progress.loss:.3f}"
        f"{validation}, "
        f"{progress.seconds / 60:.1f} min, {progress.remaining_seconds / 60:.1f} min left\n"
    )
    sys.stderr.flush()


if __name__ == "__main__":
    main()
