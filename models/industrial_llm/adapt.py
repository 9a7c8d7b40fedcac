"""Fine-tune the industrial model for one customer: training file in, LoRA adapter out.

An engine applies one adapter per request, so a customer's adapter starts from the industry adapter
and includes it. The score is the loss on held-out dialogues. Exact matches are counted with the
same forward pass: an answer matches if each token is the most likely one after the tokens before
it.
"""

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from infra.errors import AppError
from models.adaptation import (
    Adaptation,
    ExactMatches,
    Metrics,
    ProgressCallback,
    Score,
    TrainingFileInvalid,
)
from models.industrial_llm import lora
from models.industrial_llm.batches import shuffle_into_batches
from models.industrial_llm.checkpoints import CheckpointStore
from models.industrial_llm.dialogues import Dialogue, DialogueSplit, parse_training_file
from models.industrial_llm.effort import epoch_count
from models.industrial_llm.encoding import ChatTemplateError, DialogueEncoder
from models.industrial_llm.learning import Trainer, TrainingIntervals, TrainingProgress
from models.industrial_llm.recipes import Recipe, find_recipe
from models.sentences import message_of, sentence

METRIC = "validation loss on held-out answers, nats per token"
# Lower than for the industry adapter: at its rate a few hundred examples cause forgetting.
LEARNING_RATE_FACTOR = 0.4
# Dialogues in memory at once: smaller than for the industry adapter, the engine needs the memory.
MICRO_BATCH_SIZE = 4
_PROGRESS_INTERVAL = 10
# Validation runs per training, on at most so many held-out dialogues.
_VALIDATION_RUNS, _MAX_VALIDATION_DIALOGUES = 6, 64


class BaseWeightsMissing(AppError):
    """The base model's weights are not on the machine that trains (HTTP 503)."""

    status = 503
    code = "base_weights_missing"


@dataclass(frozen=True, slots=True)
class LanguageModelFineTuner:
    """Fine-tunes a LoRA adapter on a customer's dialogues.

    `base` is the folder of the base model's weights, `parent` the folder of the industry adapter;
    without one the adapter starts from the base. `mixing`, above 0 and up to 1, interpolates from
    the parent to the trained weights. `device` is torch's name of the device.
    """

    base: Path
    parent: Path | None
    recipe: Recipe
    mixing: float = 1.0
    device: str = "cpu"

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Fine-tune on a training file and score the held-out dialogues.

        Lines are `{"messages": [{"role": …, "content": …}, …]}`. Raises TrainingFileInvalid.
        """
        dialogues = parse_training_file(training_file)
        progress(dialogues.summary)
        trainer = self._create_trainer()
        _require_encodable(trainer, (*dialogues.train, *dialogues.held_out))
        loss_before = trainer.mean_loss(dialogues.held_out)
        matches_before = trainer.count_exact_matches(dialogues.held_out)
        start = lora.copy_adapter_weights(trainer.model)
        trained_tokens = _train(trainer, dialogues, progress)
        lora.interpolate_adapter(trainer.model, start, self.mixing)
        loss_after = trainer.mean_loss(dialogues.held_out)
        matches = ExactMatches(
            matches_before, trainer.count_exact_matches(dialogues.held_out), len(dialogues.held_out)
        )
        progress(
            sentence(
                "Exact matches on {of} held-out answers: {base} before training, {adapted} after.",
                of=matches.of,
                base=matches.base,
                adapted=matches.adapted,
            )
        )
        score = Score(METRIC, loss_before, loss_after, higher_is_better=False, exact=matches)
        artefact = pack_adapter(trainer, self.recipe.base, lora.text_part_name(self.base))
        return Adaptation(
            artefact, score, len(dialogues.train), len(dialogues.held_out), trained_tokens
        )

    def _create_trainer(self) -> Trainer:
        """Create a trainer that starts from the parent adapter, if any."""
        learning_rate = self.recipe.learning_rate * LEARNING_RATE_FACTOR
        # No weight averaging: with few steps the average would lag behind.
        recipe = replace(
            self.recipe, learning_rate=learning_rate, together=MICRO_BATCH_SIZE, averaged=0.0
        )
        model = lora.load_model(self.base, recipe, self.device)
        if self.parent is not None:
            lora.load_adapter_weights(model, self.parent)
        encoder = DialogueEncoder.load(self.base, recipe.template)
        return Trainer(model, encoder, recipe, self.device)


def create_fine_tuner(
    base: str, parent: Path | None, mixing: float, base_name: str, device: str
) -> LanguageModelFineTuner:
    """Create a fine-tuner with the hyperparameters of a base model.

    `base` is the folder or hub id of the base weights, `base_name` the model's public name,
    `parent` the adapter to continue from, if any. Raises BaseModelUnsupported, BaseWeightsMissing.
    """
    recipe = find_recipe(base_name)
    return LanguageModelFineTuner(find_base_folder(base), parent, recipe, mixing, device)


def find_base_folder(base: str) -> Path:
    """Return the folder of base weights, of a hub id in the hub's local cache.

    Raises BaseWeightsMissing: an engine on this machine would have downloaded them.
    """
    if Path(base).is_dir():
        return Path(base)
    try:
        return Path(snapshot_download(base, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise BaseWeightsMissing(
            f"The weights of the base model {base} are not on the machine that trains."
        ) from error


def pack_adapter(trainer: Trainer, base: str, text_part: str = "") -> bytes:
    """Serialize the adapter's files, by name, as one MessagePack object.

    `text_part` is the name of the language model within the base's checkpoint.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lora.save_adapter(trainer.model, folder, base, text_part)
        files = {name: (folder / name).read_bytes() for name in (lora.CONFIG, lora.WEIGHTS)}
    return msgspec.msgpack.encode(files)


def unpack_adapter(artefact: bytes, folder: Path) -> None:
    """Write the files of a packed adapter to a folder. Raises AdapterMismatch if it is invalid."""
    try:
        files: Mapping[str, bytes] = msgspec.msgpack.decode(artefact, type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise lora.AdapterMismatch("The file is not an adapter.") from error
    if set(files) != {lora.CONFIG, lora.WEIGHTS}:
        raise lora.AdapterMismatch("An adapter must contain weights and a configuration.")
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _require_encodable(trainer: Trainer, dialogues: Sequence[Dialogue]) -> None:
    """Raise TrainingFileInvalid if a dialogue does not fit the chat template or the token limit."""
    for dialogue in dialogues:
        try:
            trainer.token_count(dialogue)
        except ChatTemplateError as error:
            raise TrainingFileInvalid(message_of(error)) from error


def _train(trainer: Trainer, dialogues: DialogueSplit, progress: ProgressCallback) -> int:
    """Train for as many epochs as suit the file. Returns the number of trained tokens."""
    epochs = epoch_count(len(dialogues.train), trainer.recipe.target_passes)
    repeated = list(dialogues.train) * epochs
    generator = random.Random(trainer.recipe.seed)  # noqa: S311
    batches = shuffle_into_batches(repeated, trainer.recipe.batch, trainer.token_count, generator)

    def report(state: TrainingProgress) -> None:
        progress(Metrics(state.step, state.total_steps, state.loss, state.validation_loss))

    intervals = TrainingIntervals(
        checkpoint=len(batches),
        progress=_PROGRESS_INTERVAL,
        validation=max(_PROGRESS_INTERVAL, -(-len(batches) // _VALIDATION_RUNS)),
    )
    with tempfile.TemporaryDirectory() as scratch:
        # Not resumable: a killed job starts again, which costs minutes.
        checkpoints = CheckpointStore(Path(scratch), "")
        trainer.train(
            batches, dialogues.held_out[:_MAX_VALIDATION_DIALOGUES], checkpoints, report, intervals
        )
    return sum(map(trainer.token_count, repeated))
