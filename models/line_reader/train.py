"""`python -m models.line_reader.train`: train the line reader, print its figures, store it.

    documents -> states below the trained layers -> heads, then upper layers with them -> average of
    both -> threshold by held-out questions -> weights.npz

An ended training goes on where it was. Takes half an hour of one core.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.languages import is_chinese
from models.line_reader.encoder_file import EncoderFile, find_file, read_encoder
from models.line_reader.layers import Layer, read_layer
from models.line_reader.training.documents import (
    TrainingDocument,
    ask_for_absent_items,
    bundle,
    read_manuals,
    read_own_documents,
    rename_codes,
)
from models.line_reader.training.held_out import describe, measure
from models.line_reader.training.learning import HEADS, LAYERS, Schedule, average, learn
from models.line_reader.training.network import LineNetwork
from models.line_reader.training.specifications import generate
from models.line_reader.training.tasks import TRAINED_LAYERS, Task, prepare
from models.line_reader.weights import WEIGHTS_FILE, TrainedWeights, save_weights

# Documents with so many lines stand alone; shorter ones are joined by threes.
_LONG = 30
_HELD_OUT = 6
_SPECIFICATIONS, _START_TASKS = 36, 8
# Of the network whose layers were trained; the rest is of the one with the package's layers.
_TRAINED_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Division:
    """The documents to learn from, and those that are held out."""

    learned: Sequence[TrainingDocument]
    held_out: Sequence[TrainingDocument]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train in two steps and store the average."""
    options = _options(arguments)
    options.states.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    file = read_encoder(find_file())
    division = divide(random.Random(0))  # noqa: S311 - no secret
    tasks = list(prepare(file, division.learned))
    held_out = list(prepare(file, division.held_out))
    _print(f"{sum(len(one.questions) for one in tasks)} questions, {len(held_out)} held-out parts")
    fixed = train(file, tasks, options.states / "heads.pt", HEADS)
    _print(describe("encoder fixed", measure(fixed, held_out)))
    trained = train(file, tasks, options.states / "layers.pt", LAYERS, fixed)
    _print(describe("layers trained", measure(trained, held_out)))
    average(fixed, trained, _TRAINED_SHARE)
    measured = measure(fixed, held_out)
    _print(describe("average", measured))
    save_weights(file, as_weights(file, fixed, measured.threshold()), options.target)


def divide(rng: random.Random) -> Division:
    """Divide the documents: of each kind and language some are held out."""
    learned: list[TrainingDocument] = []
    held_out: list[TrainingDocument] = []
    for documents in (list(read_own_documents()), list(read_manuals())):
        for chinese in (False, True):
            group = [one for one in documents if is_chinese(one.lines[0].text) == chinese]
            rng.shuffle(group)
            count = max(_HELD_OUT // 2, len(group) // 6)
            held_out += _join_short(group[:count])
            rest = group[count:]
            renamed = [rename_codes(one, rng) for one in rest if len(one.asked) > 10]
            rng.shuffle(renamed)
            learned += _join_short(_with_absent(rest, rng)) + _join_short(
                _with_absent(renamed, rng)
            )
    others = [line for one in learned for line in one.lines]
    return Division([*learned, *generate(_SPECIFICATIONS, 5, others)], held_out)


def train(
    file: EncoderFile,
    tasks: Sequence[Task],
    state: Path,
    schedule: Schedule,
    start: LineNetwork | None = None,
) -> LineNetwork:
    """Return a network that learned from tasks, from the beginning or from `start`."""
    torch.manual_seed(0)
    network = LineNetwork(file, _upper_layers(file))
    if start is None:
        network.start([state for task in tasks[:_START_TASKS] for state in task.lines])
    else:
        network.load_state_dict(start.state_dict())
    for epoch, loss in enumerate(learn(network, tasks, schedule, state), start=1):
        _print(f"epoch {epoch}: loss {loss:.3f}")
    return network


def as_weights(file: EncoderFile, network: LineNetwork, threshold: float) -> TrainedWeights:
    """Return the network as the product's weights."""
    lower = file.sizes.layers - len(network.layers)
    layers = network.trained_layers(_upper_layers(file))
    return TrainedWeights(lower, layers, network.heads(), threshold)


def _upper_layers(file: EncoderFile) -> list[Layer]:
    first = file.sizes.layers - TRAINED_LAYERS
    return [read_layer(file, index) for index in range(first, file.sizes.layers)]


def _join_short(documents: Sequence[TrainingDocument]) -> list[TrainingDocument]:
    """Return long documents as they are, and the others joined."""
    long = [one for one in documents if len(one.lines) >= _LONG]
    return [*long, *bundle([one for one in documents if len(one.lines) < _LONG])]


def _with_absent(
    documents: Sequence[TrainingDocument], rng: random.Random
) -> list[TrainingDocument]:
    """Return the documents with questions about items that they lack."""
    return [
        TrainingDocument(one.name, one.lines, (*one.asked, *ask_for_absent_items(one, rng)))
        for one in documents
    ]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.line_reader.train")
    parser.add_argument("--states", type=Path, default=Path("build", "line_reader"))
    parser.add_argument("--target", type=Path, default=WEIGHTS_FILE)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
