"""Training of an adapter on a tiny base with random weights, including resumption after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from infra.lazy_import import LazyModule
from models.industrial_llm.batches import (
    ScheduledExample,
    build_batches,
    fingerprint,
    sample_validation,
)
from models.industrial_llm.recipes import RANK, RECIPES
from models.industrial_llm.tasks.tool_choice import SOURCE
from tests.models.industrial_llm.made_up_base import RECIPE, base, corpus
from tests.support.heavy import NEEDS_PEFT
from tests.support.nightly import at_length, nightly

if TYPE_CHECKING:
    import safetensors.torch as tensors

    from models.industrial_llm import checkpoints, encoding, learning, lora, train
else:
    tensors = LazyModule("safetensors.torch")
    checkpoints = LazyModule("models.industrial_llm.checkpoints")
    encoding = LazyModule("models.industrial_llm.encoding")
    learning = LazyModule("models.industrial_llm.learning")
    lora = LazyModule("models.industrial_llm.lora")
    train = LazyModule("models.industrial_llm.train")

pytestmark = NEEDS_PEFT
LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Stopped(Exception):
    """Simulates a kill during training."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base(tmp_path_factory.mktemp("base"))


def learner(folder: Path) -> "learning.Trainer":
    return learning.Trainer(
        lora.load_model(folder, RECIPE, "cpu"), encoding.DialogueEncoder.load(folder, {}), RECIPE
    )


class Told:
    """Records progress and optionally stops the training after `stop_after` steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.all: list[learning.TrainingProgress] = []

    def __call__(self, reached: "learning.TrainingProgress") -> None:
        self.all.append(reached)
        if reached.step == self.stop_after:
            raise Stopped


def learn(folder: Path, work: Path, output: Path, told: Told, averaged: float = 0.0) -> bytes:
    """Train all steps and return the bytes of the adapter."""
    recipe = replace(RECIPE, averaged=averaged)
    one = replace(learner(folder), recipe=recipe)
    order = build_batches(corpus(), recipe, one.token_count)
    kept = checkpoints.CheckpointStore(work, fingerprint(order, recipe, "made_up"))
    one.train(
        order,
        sample_validation(corpus(), 4, 1),
        kept,
        told,
        learning.TrainingIntervals(checkpoint=4, progress=1, validation=6),
    )
    lora.save_adapter(one.model, output, RECIPE.base)
    return (output / lora.WEIGHTS).read_bytes()


@dataclass(frozen=True)
class Learned:
    """Folder and bytes of a trained adapter, and the progress of its training."""

    folder: Path
    weights: bytes
    told: "list[learning.TrainingProgress]"


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """A complete training without averaging, shared by several tests because it takes seconds."""
    place, told = tmp_path_factory.mktemp("learned"), Told()
    weights = learn(folder, place / "work", place / "adapter", told)
    return Learned(place / "adapter", weights, told.all)


class TestAdapterTraining:
    def test_training_and_validation_loss_fall(self, learned: Learned) -> None:
        told = learned.told
        assert [one.step for one in told] == list(range(1, 25))
        assert told[-1].loss < told[0].loss / 2
        seen = [one.validation_loss for one in told if one.validation_loss is not None]
        assert len(seen) == 4
        assert seen[-1] < seen[0]

    @pytest.mark.parametrize("averaged", at_length([0.0, 0.75], [0.75]))
    def test_resumed_training_gives_identical_weights(
        self, folder: Path, learned: Learned, tmp_path: Path, averaged: float
    ) -> None:
        whole = learned.weights
        if averaged:
            whole = learn(folder, tmp_path / "a", tmp_path / "adapter", Told(), averaged)
        with pytest.raises(Stopped):
            learn(folder, tmp_path / "b", tmp_path / "adapter", Told(stop_after=10), averaged)
        told = Told()
        assert learn(folder, tmp_path / "b", tmp_path / "adapter", told, averaged) == whole
        assert told.all[0].step == 9  # after the checkpoint at 8
        assert told.all[0].remaining_seconds == pytest.approx(15 * told.all[0].seconds)

    @nightly
    def test_saved_adapter_is_mean_of_last_steps(
        self, folder: Path, learned: Learned, tmp_path: Path
    ) -> None:
        told = Told()
        learn(folder, tmp_path / "a", tmp_path / "mean", told, averaged=0.125)
        assert [one.averaged_steps for one in told.all] == [0] * 24 + [3]
        mean, last = (
            tensors.load_file(one / lora.WEIGHTS) for one in (tmp_path / "mean", learned.folder)
        )
        apart = [float((mean[name] - last[name]).abs().max()) for name in mean]
        assert 0 < max(apart) < 0.2
        one = learner(folder)
        lora.load_adapter_weights(one.model, tmp_path / "mean")
        assert one.mean_loss(sample_validation(corpus(), 4, 1)) == pytest.approx(
            told.all[-1].validation_loss, rel=0.02
        )

    def test_checkpoint_of_other_training_is_rejected(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(Stopped):
            learn(folder, tmp_path, tmp_path / "adapter", Told(stop_after=5))
        with pytest.raises(checkpoints.CheckpointMismatch, match="other examples or settings"):
            checkpoints.CheckpointStore(tmp_path, "another").load_latest()

    def test_damaged_checkpoint_is_rejected(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(Stopped):
            learn(folder, tmp_path, tmp_path / "adapter", Told(stop_after=5))
        whole = (tmp_path / checkpoints.FILE).read_bytes()
        for broken in (whole[: len(whole) // 2], b"nothing of the kind", b""):
            (tmp_path / checkpoints.FILE).write_bytes(broken)
            with pytest.raises(checkpoints.CheckpointMismatch, match="is damaged"):
                checkpoints.CheckpointStore(tmp_path, "any").load_latest()

    def test_only_adapter_parameters_are_trained(self, folder: Path) -> None:
        model = lora.load_model(folder, RECIPE, "cpu")
        learned = [name for name, one in model.named_parameters() if one.requires_grad]
        assert len(learned) == 2 * len(LINEAR_LAYERS) * 2  # two layers, A and B
        assert all("lora_" in name for name in learned)

    def test_learning_rate_warms_up_and_decays(self) -> None:
        rates = [learning.learning_rate_at(RECIPES["cpu"], step, 200) for step in range(200)]
        assert max(rates) == rates[10] == pytest.approx(RECIPES["cpu"].learning_rate)
        assert rates[:11] == sorted(rates[:11])
        assert rates[10:] == sorted(rates[10:], reverse=True)
        assert rates[-1] == pytest.approx(rates[10] / 10, rel=0.01)


class TestDialogueEncoding:
    def test_trained_tokens_are_answer_and_turn_end(self, folder: Path) -> None:
        encoder = encoding.DialogueEncoder.load(folder, {})
        example = corpus()["failure_mode"].train[0]
        encoded = encoder.encode(ScheduledExample(example, 0))
        assert encoder.tokenizer.convert_ids_to_tokens(encoded.answer) == [" Leaking", "\n\n"]
        assert encoded.answer[-1] in encoder.end_tokens
        assert encoder.tokenizer.decode(encoded.prompt).startswith("<bos>")
        assert encoder.tokenizer.decode(encoded.prompt).endswith("Assistant:")

    @pytest.mark.parametrize(
        ("template", "why"),
        [
            ("{% for m in messages %}{{ m.content }} {% endfor %}", "no token that ends a turn"),
            (
                "{% for m in messages %}{{ m.content }}{% endfor %}"
                "{% if add_generation_prompt %}>{% endif %}",
                "otherwise than it asks",
            ),
        ],
    )
    def test_unusable_chat_template_is_rejected(
        self, folder: Path, template: str, why: str
    ) -> None:
        encoder = encoding.DialogueEncoder.load(folder, {})
        encoder.tokenizer.chat_template = template
        with pytest.raises(encoding.ChatTemplateError, match=why):
            encoder.encode(ScheduledExample(corpus()["failure_mode"].train[0], 0))

    def test_base_without_turn_end_tokens_is_rejected(self, tmp_path: Path) -> None:
        with pytest.raises(encoding.ChatTemplateError, match="which tokens end a turn"):
            encoding.DialogueEncoder.load(tmp_path, {})

    def test_example_over_token_limit_is_rejected(self, folder: Path) -> None:
        one = replace(learner(folder), recipe=replace(RECIPE, limit=5))
        with pytest.raises(encoding.ChatTemplateError, match="more than 5"):
            one.mean_loss(sample_validation(corpus(), 1, 1))


class TestTrainingBatches:
    def test_every_example_occurs_once_per_epoch(self) -> None:
        order = build_batches(corpus(), RECIPE, lambda turn: len(turn.key))
        turns = [turn for step in order for turn in step]
        assert len(turns) == len(set(turns)) == 3 * 32
        assert {len(step) for step in order} == {4}

    def test_fingerprint_depends_on_settings_examples_and_base(self) -> None:
        order = build_batches(corpus(), RECIPE, lambda turn: 1)
        prints = {
            fingerprint(order, RECIPE, "base"),
            fingerprint(order, replace(RECIPE, learning_rate=0.1), "base"),
            fingerprint(order[:-1], RECIPE, "base"),
            fingerprint(order, RECIPE, "another"),
        }
        assert len(prints) == 4

    def test_task_has_at_most_its_number_of_examples(self) -> None:
        limited = replace(RECIPE, examples={"failure_mode": 10})
        order = build_batches(corpus(), limited, lambda turn: 1)
        turns = [cast(ScheduledExample, turn) for step in order for turn in step]
        assert len(turns) == 3 * 10
        chosen = [{turn.example for turn in turns if turn.epoch == epoch} for epoch in range(3)]
        assert [len(some) for some in chosen] == [10, 10, 10]
        assert chosen[0] != chosen[1]  # other ones in each epoch
        assert build_batches(corpus(), limited, lambda turn: 1) == order

    @pytest.mark.parametrize(("most", "count"), [(0, 0), (32, 32), (1_000, 32)])
    def test_number_above_the_examples_is_no_limit(self, most: int, count: int) -> None:
        recipe = replace(RECIPE, rounds={"failure_mode": 1}, examples={"failure_mode": most})
        assert sum(map(len, build_batches(corpus(), recipe, lambda turn: 1))) == count


class TestMicroBatches:
    def sizes(
        self, lengths: Sequence[int], together: int, micro_tokens: int, shared: int = 0
    ) -> list[list[int]]:
        """Return the numbers of tokens of each micro-batch's dialogues."""
        recipe = replace(RECIPE, together=together, micro_tokens=micro_tokens)
        dialogues = [encoding.EncodedDialogue((0,) * (length - 1), (1,)) for length in lengths]
        return [list(map(len, some)) for some in learning.split_to_fit(dialogues, recipe, shared)]

    def test_shared_tokens_do_not_count(self) -> None:
        assert self.sizes([50, 60, 70], together=9, micro_tokens=60, shared=40) == [[50, 60], [70]]

    def test_padding_counts_as_tokens(self) -> None:
        sizes = self.sizes([10, 10, 40, 10, 10, 10], together=9, micro_tokens=80)
        assert sizes == [[10, 10], [40, 10], [10, 10]]

    def test_number_of_dialogues_is_limited_too(self) -> None:
        assert self.sizes([1] * 5, together=2, micro_tokens=80) == [[1, 1], [1, 1], [1]]

    def test_dialogue_above_the_limit_is_alone(self) -> None:
        assert self.sizes([5, 100, 5], together=9, micro_tokens=80) == [[5], [100], [5]]

    def test_long_dialogue_does_not_shrink_later_micro_batches(self) -> None:
        assert self.sizes([70, 20, 20, 20, 20], together=9, micro_tokens=80) == [
            *([70], [20, 20, 20, 20]),
        ]

    def test_no_dialogues_give_no_micro_batch(self) -> None:
        assert self.sizes([], together=2, micro_tokens=80) == []


class TestSavedAdapter:
    def test_saved_config_and_weights_match_engine_format(
        self, folder: Path, tmp_path: Path
    ) -> None:
        lora.save_adapter(lora.load_model(folder, RECIPE, "cpu"), tmp_path, RECIPE.base)
        settings = json.loads((tmp_path / lora.CONFIG).read_text(encoding="utf-8"))
        assert settings["r"] == RANK
        assert settings["target_modules"] == sorted(LINEAR_LAYERS)
        assert settings["base_model_name_or_path"] == RECIPE.base
        assert (settings["bias"], settings["modules_to_save"]) == ("none", None)
        weights = tensors.load_file(tmp_path / lora.WEIGHTS)
        assert {str(one.dtype) for one in weights.values()} == {"torch.bfloat16"}
        assert all(name.startswith("base_model.model.model.layers.") for name in weights)

    def test_loaded_adapter_has_lower_loss(self, folder: Path, learned: Learned) -> None:
        first = learner(folder)
        begun = first.mean_loss(sample_validation(corpus(), 4, 1))
        lora.load_adapter_weights(first.model, learned.folder)
        assert first.mean_loss(sample_validation(corpus(), 4, 1)) < begun

    def test_rank_is_the_recipes_and_an_adapter_of_another_one_is_rejected(
        self, folder: Path, tmp_path: Path
    ) -> None:
        small = replace(RECIPE, rank=4)
        lora.save_adapter(lora.load_model(folder, small, "cpu"), tmp_path, RECIPE.base)
        assert json.loads((tmp_path / lora.CONFIG).read_text(encoding="utf-8"))["r"] == 4
        lora.load_adapter_weights(lora.load_model(folder, small, "cpu"), tmp_path)
        with pytest.raises(lora.AdapterMismatch, match="another base or rank"):
            lora.load_adapter_weights(lora.load_model(folder, RECIPE, "cpu"), tmp_path)


class TestMixing:
    @nightly
    def test_half_of_the_change_gives_weights_in_the_middle(
        self, folder: Path, learned: Learned, tmp_path: Path
    ) -> None:
        def weights(mixing: float) -> Any:
            intervals = learning.TrainingIntervals(checkpoint=100)
            given = folder, RECIPE, corpus(), tmp_path, intervals, learned.folder, mixing
            return lora.copy_adapter_weights(train.train(*given).model)

        whole, half = weights(1.0), weights(0.5)
        start = learner(folder).model
        lora.load_adapter_weights(start, learned.folder)
        for name, weight in lora.copy_adapter_weights(start).items():
            assert not whole[name].equal(weight)
            assert (half[name] - (weight + whole[name]) / 2).abs().max() < 1e-6


class TestTrainCommand:
    """The training command on the repository's own questions, without data sets."""

    @nightly
    @pytest.mark.usefixtures("processes")
    def test_restart_after_kill_gives_identical_adapter(self, folder: Path, tmp_path: Path) -> None:
        whole = tmp_path / "whole"
        train.main(self.command(folder, tmp_path / "work_a", whole))
        child = self.run(folder, tmp_path / "work_b", tmp_path / "killed")
        deadline = time.monotonic() + 120
        while (
            not (tmp_path / "work_b" / checkpoints.FILE).is_file() and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert child.returncode == -signal.SIGKILL
        assert not (tmp_path / "killed").exists()
        self.succeed(self.run(folder, tmp_path / "work_b", tmp_path / "killed"))
        assert not (tmp_path / "work_b" / checkpoints.FILE).exists()
        for name in (lora.WEIGHTS, lora.CONFIG):
            assert (tmp_path / "killed" / name).read_bytes() == (whole / name).read_bytes()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--only", "terms"], "is absent"),
            (["--leave-out", "nobody"], "There is no source 'nobody'"),
        ],
    )
    def test_invalid_arguments_exit_with_message(
        self,
        folder: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        words: str,
    ) -> None:
        common = ["--base", str(folder), "--data", str(tmp_path), "--only", "tool_choice"]
        with pytest.raises(SystemExit):
            train.main([*common, *arguments])
        assert words in capsys.readouterr().err
        assert SOURCE != "nobody"

    @staticmethod
    def succeed(child: subprocess.Popen[str]) -> None:
        told = child.communicate()[1]
        assert child.returncode == 0, told

    @staticmethod
    def command(folder: Path, work: Path, output: Path) -> list[str]:
        return [
            "--base", str(folder), "--data", str(work), "--only", "unknown", "--rounds", "3",
            "--threads", "1", "--every", "2", "--work", str(work), "--output", str(output),
        ]  # fmt: skip

    def run(self, folder: Path, work: Path, output: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", train.__name__, *self.command(folder, work, output)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
