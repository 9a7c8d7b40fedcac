"""Learning of the line reader with the made-up encoder."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from models.line_reader.comparing import EncodedLine, compare
from models.line_reader.encoder_file import EncoderFile
from models.line_reader.encoding import load_text_encoder
from models.line_reader.layers import read_layer
from models.line_reader.line_cache import LineCache
from models.line_reader.lines import split_lines
from models.line_reader.training.documents import Asked, TrainingDocument
from models.line_reader.weights import TrainedWeights
from tests.models.line_reader.made_up_encoder import LAYERS
from tests.support.heavy import NEEDS_TORCH

if TYPE_CHECKING:
    import torch

    from models.line_reader.training import held_out
    from models.line_reader.training import learning as training
    from models.line_reader.training import network as networks
    from models.line_reader.training import tasks as preparing
    from models.line_reader.training.learning import Schedule
    from models.line_reader.training.network import LineNetwork
    from models.line_reader.training.tasks import Task
else:
    torch = LazyModule("torch")
    held_out = LazyModule("models.line_reader.training.held_out")
    networks = LazyModule("models.line_reader.training.network")
    preparing = LazyModule("models.line_reader.training.tasks")
    training = LazyModule("models.line_reader.training.learning")

pytestmark = NEEDS_TORCH


def quick() -> "Schedule":
    return training.Schedule(epochs=3, layer_rate=1e-3, head_rate=1e-2)


@pytest.fixture
def tasks(encoder_file: EncoderFile, document: TrainingDocument) -> "list[Task]":
    return list(preparing.prepare(encoder_file, [document], trained=1))


def network_of(file: EncoderFile) -> "LineNetwork":
    torch.manual_seed(0)
    return networks.LineNetwork(file, [read_layer(file, LAYERS - 1)])


def test_learning_lowers_the_loss(
    encoder_file: EncoderFile, tasks: "list[Task]", tmp_path: Path
) -> None:
    network = network_of(encoder_file)
    before = training.batch_loss(network.eval(), tasks[0], random.Random(2)).item()
    assert len(list(training.learn(network, tasks, quick(), tmp_path / "state.pt"))) == 3
    assert training.batch_loss(network.eval(), tasks[0], random.Random(2)).item() < before


def test_ended_training_goes_on_to_the_same_weights(
    encoder_file: EncoderFile, tasks: "list[Task]", tmp_path: Path
) -> None:
    whole, ended, resumed = (network_of(encoder_file) for _ in range(3))
    losses = list(training.learn(whole, tasks, quick(), tmp_path / "whole.pt"))
    epochs = training.learn(ended, tasks, quick(), tmp_path / "state.pt")
    first = next(epochs)
    epochs.close()
    assert [first, *training.learn(resumed, tasks, quick(), tmp_path / "state.pt")] == losses
    for name, one in whole.state_dict().items():
        assert torch.equal(one, resumed.state_dict()[name]), name


def test_fixed_layers_do_not_change(
    encoder_file: EncoderFile, tasks: "list[Task]", tmp_path: Path
) -> None:
    network = network_of(encoder_file)
    before = {name: one.clone() for name, one in network.layers.state_dict().items()}
    fixed = training.Schedule(epochs=1, layer_rate=0.0, head_rate=1e-2)
    list(training.learn(network, tasks, fixed, tmp_path / "state.pt"))
    assert all(torch.equal(one, before[name]) for name, one in network.layers.state_dict().items())


def test_average_is_between_both(encoder_file: EncoderFile) -> None:
    one, other = network_of(encoder_file), network_of(encoder_file)
    with torch.no_grad():
        one.alpha.fill_(2.0)
        other.alpha.fill_(4.0)
    training.average(one, other, 0.75)
    assert one.alpha.item() == pytest.approx(3.5)


def test_threshold_reports_the_asked_share_of_unanswerable_questions(
    encoder_file: EncoderFile, tasks: "list[Task]"
) -> None:
    measured = held_out.measure(network_of(encoder_file), tasks * 3)
    right, wrong, reported = measured.shares(measured.threshold(1.0))
    assert (reported, right + wrong <= 1.0) == (1.0, True)
    assert measured.answerable.tolist() == [True, True, True, False, True] * 3


def test_reader_scores_as_the_network_that_was_trained(
    encoder_file: EncoderFile, document: TrainingDocument, tasks: "list[Task]"
) -> None:
    network = network_of(encoder_file)
    network.start([*tasks[0].lines, *tasks[0].questions])
    layers = network.trained_layers([read_layer(encoder_file, LAYERS - 1)])
    trained = TrainedWeights(LAYERS - 1, layers, network.heads(), 0.0)
    encoder = load_text_encoder(encoder_file, layers, trained.heads)
    cache = LineCache(encoder)
    expected = held_out.measure(network, tasks).margins
    lines = cache.encode_lines("a", [line.shown for line in document.lines])
    pairs = [EncodedLine(*pair) for pair in zip(document.lines, lines, strict=True)]
    margins = [
        compare(trained.heads, text, cache.encode_question(text), pairs).margin
        for text in (one.question for one in document.asked)
    ]
    assert margins == pytest.approx(expected, abs=0.1)


def test_document_of_one_line_is_no_task(encoder_file: EncoderFile) -> None:
    lines = tuple(split_lines("Only one line."))
    document = TrainingDocument("short", lines, (Asked("which", frozenset({0})),))
    assert list(preparing.prepare(encoder_file, [document], trained=1)) == []
