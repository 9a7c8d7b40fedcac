"""The training documents, the generated ones, and learning with the made-up encoder."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from models.handbook.evaluation.questions import DOCUMENTS as EVALUATED
from models.handbook.evaluation.questions import document_questions
from models.line_reader.encoder_file import EncoderFile
from models.line_reader.encoding import load_text_encoder
from models.line_reader.layers import read_layer
from models.line_reader.line_cache import LineCache
from models.line_reader.lines import split_lines
from models.line_reader.reader import LineReader
from models.line_reader.training.documents import (
    Asked,
    TrainingDocument,
    ask_for_absent_items,
    bundle,
    read_manuals,
    read_own_documents,
    rename_codes,
)
from models.line_reader.training.held_out import measure
from models.line_reader.training.learning import Schedule, average, batch_loss, learn
from models.line_reader.training.network import LineNetwork
from models.line_reader.training.specifications import generate, read_quantities
from models.line_reader.training.tasks import Task, prepare
from models.line_reader.weights import TrainedWeights
from tests.models.line_reader.made_up_encoder import LAYERS

TEXT = """# Pump P-1
The pump P-1 weighs 40 kg.
? how heavy is P-1
? P-1 weight
The oil of P-1 is changed every 900 h.
? oil change
! how loud is it

| Part | Stock |
| seal S-3 | 4 |
? how many S-3
"""
QUICK = Schedule(epochs=3, layer_rate=1e-3, head_rate=1e-2)


@pytest.fixture
def document(tmp_path: Path) -> TrainingDocument:
    (tmp_path / "one.txt").write_text(TEXT, encoding="utf-8")
    (found,) = read_own_documents(tmp_path)
    return found


@pytest.fixture
def tasks(encoder_file: EncoderFile, document: TrainingDocument) -> list[Task]:
    return list(prepare(encoder_file, [document], trained=1))


def network_of(file: EncoderFile) -> LineNetwork:
    torch.manual_seed(0)
    return LineNetwork(file, [read_layer(file, LAYERS - 1)])


def test_question_is_answered_by_the_line_before_it(document: TrainingDocument) -> None:
    answers = {
        one.question: [document.lines[index].quoted for index in one.lines]
        for one in document.asked
    }
    assert answers == {
        "how heavy is P-1": ["The pump P-1 weighs 40 kg."],
        "P-1 weight": ["The pump P-1 weighs 40 kg."],
        "oil change": ["The oil of P-1 is changed every 900 h."],
        "how loud is it": [],
        "how many S-3": ["Part: seal S-3; Stock: 4"],
    }


def test_question_without_a_line_before_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("# A\n? what\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no line before"):
        list(read_own_documents(tmp_path))


def test_absent_items_are_of_the_family_and_not_in_the_document(
    document: TrainingDocument,
) -> None:
    asked = list(ask_for_absent_items(document, random.Random(1)))
    assert len(asked) == 3
    assert all(not one.lines and "P-1" not in one.question.split() for one in asked)


def test_renamed_codes_agree_in_lines_and_questions(document: TrainingDocument) -> None:
    renamed = rename_codes(document, random.Random(4))
    question = renamed.asked[0]
    (line,) = question.lines
    name = question.question.removeprefix("how heavy is ")
    assert name != "P-1"
    assert renamed.lines[line].text == f"The pump {name} weighs 40 kg."


def test_bundled_questions_keep_their_lines(document: TrainingDocument) -> None:
    (both,) = bundle([document, document], size=2)
    answers = [[both.lines[index].text for index in one.lines] for one in both.asked]
    assert answers[:5] == answers[5:]


def test_own_documents_have_thousands_of_questions_and_nothing_of_the_evaluation() -> None:
    own = list(read_own_documents())
    assert sum(len(one.asked) for one in own) > 2_000
    lines = {line.text for one in own for line in one.lines if len(line.text) > 12}
    asked = {one.question for document in own for one in document.asked}
    names = {question.document for question in document_questions()}
    evaluated = {
        line.text
        for name in names
        for line in split_lines((EVALUATED / name).read_text(encoding="utf-8"))
    }
    assert not lines & evaluated
    assert not asked & {question.question for question in document_questions()}


def test_manuals_of_the_language_model_have_answering_lines() -> None:
    manuals = list(read_manuals())
    assert len(manuals) == 140
    assert sum(bool(one.lines) for manual in manuals for one in manual.asked) > 400


def test_generated_lines_answer_for_their_item_and_quantity() -> None:
    quantities = {name: one for one in read_quantities() for name in one.names}
    others = split_lines("Breaks are at nine. Phones stay in the locker.")
    for document in generate(6, 1, others):
        assert document == next(iter([document]))
        assert document.lines[-1].text in {line.text for line in others}
        answered = [one for one in document.asked if one.lines]
        assert len(answered) > 8
        assert all(len(one.lines) == 1 for one in answered)
        named = [
            any(name in document.lines[next(iter(one.lines))].text for name in quantities)
            for one in answered
        ]
        assert all(named)


def test_generated_documents_are_the_same_for_a_seed() -> None:
    others = split_lines("Breaks are at nine.")
    assert list(generate(2, 7, others)) == list(generate(2, 7, others))


def test_learning_lowers_the_loss(
    encoder_file: EncoderFile, tasks: list[Task], tmp_path: Path
) -> None:
    network = network_of(encoder_file)
    before = batch_loss(network.eval(), tasks[0], random.Random(2)).item()
    assert len(list(learn(network, tasks, QUICK, tmp_path / "state.pt"))) == 3
    assert batch_loss(network.eval(), tasks[0], random.Random(2)).item() < before


def test_ended_training_goes_on_to_the_same_weights(
    encoder_file: EncoderFile, tasks: list[Task], tmp_path: Path
) -> None:
    whole, ended, resumed = (network_of(encoder_file) for _ in range(3))
    losses = list(learn(whole, tasks, QUICK, tmp_path / "whole.pt"))
    epochs = learn(ended, tasks, QUICK, tmp_path / "state.pt")
    first = next(epochs)
    epochs.close()
    assert [first, *learn(resumed, tasks, QUICK, tmp_path / "state.pt")] == losses
    for name, one in whole.state_dict().items():
        assert torch.equal(one, resumed.state_dict()[name]), name


def test_fixed_layers_do_not_change(
    encoder_file: EncoderFile, tasks: list[Task], tmp_path: Path
) -> None:
    network = network_of(encoder_file)
    before = {name: one.clone() for name, one in network.layers.state_dict().items()}
    fixed = Schedule(epochs=1, layer_rate=0.0, head_rate=1e-2)
    list(learn(network, tasks, fixed, tmp_path / "state.pt"))
    assert all(torch.equal(one, before[name]) for name, one in network.layers.state_dict().items())


def test_average_is_between_both(encoder_file: EncoderFile) -> None:
    one, other = network_of(encoder_file), network_of(encoder_file)
    with torch.no_grad():
        one.alpha.fill_(2.0)
        other.alpha.fill_(4.0)
    average(one, other, 0.75)
    assert one.alpha.item() == pytest.approx(3.5)


def test_threshold_reports_the_asked_share_of_unanswerable_questions(
    encoder_file: EncoderFile, tasks: list[Task]
) -> None:
    measured = measure(network_of(encoder_file), tasks * 3)
    right, wrong, reported = measured.shares(measured.threshold(1.0))
    assert (reported, right + wrong <= 1.0) == (1.0, True)
    assert measured.answerable.tolist() == [True, True, True, False, True] * 3


def test_reader_scores_as_the_network_that_was_trained(
    encoder_file: EncoderFile, document: TrainingDocument, tasks: list[Task]
) -> None:
    network = network_of(encoder_file)
    network.start([*tasks[0].lines, *tasks[0].questions])
    layers = network.trained_layers([read_layer(encoder_file, LAYERS - 1)])
    trained = TrainedWeights(LAYERS - 1, layers, network.heads(), 0.0)
    encoder = load_text_encoder(encoder_file, layers, trained.heads)
    reader = LineReader(LineCache(encoder), trained)
    expected = measure(network, tasks).margins
    found = [reader.read("a", one.question, document.lines) for one in document.asked]
    margins = np.array([one.margin for one in found if one is not None])
    assert margins == pytest.approx(expected, abs=0.1)


def test_document_of_one_line_is_no_task(encoder_file: EncoderFile) -> None:
    lines = tuple(split_lines("Only one line."))
    document = TrainingDocument("short", lines, (Asked("which", frozenset({0})),))
    assert list(prepare(encoder_file, [document], trained=1)) == []
