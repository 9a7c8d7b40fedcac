"""Adapting the industrial model to one customer: dialogues in, an adapter out.

Owns going on from the industry's adapter, the held-out score and the artefact's form.

An engine takes one adapter for a request, so a customer's holds the industry's too: it begins as
that one. The score is the loss over answers kept apart; beside it is told how many of them come out
to the letter, which needs no second way to run the model: an answer of which each token is the
likeliest after those before it is what the model would say.
"""

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from models.adaptation import Adaptation, Exact, Metrics, Progress, Score, TrainingFileInvalid
from models.industrial_llm import lora
from models.industrial_llm.batches import arranged
from models.industrial_llm.checkpoints import Checkpoints
from models.industrial_llm.dialogues import Dialogue, Divided, read
from models.industrial_llm.effort import rounds_of
from models.industrial_llm.encoding import Encoder, TemplateUnfit
from models.industrial_llm.learning import Learner, Pace, Reached
from models.industrial_llm.recipes import RECIPES, Recipe

PROFILE = "cpu"
METRIC = "loss over answers kept apart, nats a token"
# A few hundred examples on top of the industry's: at its rate they would undo what it knows.
RATE_SHARE = 0.4
# In memory at once: beside the engine there is no room for what the industry's learning takes.
TOGETHER = 4
_TOLD = 10
# So often the loss over some of what is kept apart is looked at meanwhile.
_LOOKS, _MOST_WATCHED = 6, 64


@dataclass(frozen=True, slots=True)
class LanguageAdapter:
    """`base` is the folder of the base's weights, `parent` that of the industry's adapter;
    `mixing` how far the result is from the parent to what was learned, above 0 and up to 1."""

    base: Path
    parent: Path
    recipe: Recipe
    mixing: float = 1.0

    def __call__(self, training_file: bytes, progress: Progress) -> Adaptation:
        """Learn lines of `{"messages": [{"role": …, "content": …}, …]}`. Raises
        TrainingFileInvalid."""
        given = read(training_file)
        progress(given.counted)
        learner = self._learner()
        _require_fitting(learner, (*given.learned, *given.apart))
        before = learner.loss(given.apart)
        exact_before = learner.exact(given.apart)
        start = lora.taken(learner.model)
        tokens = _learn(learner, given, progress)
        lora.mix(learner.model, start, self.mixing)
        after = learner.loss(given.apart)
        exact = Exact(exact_before, learner.exact(given.apart), len(given.apart))
        progress(
            f"Of {exact.of} answers kept apart {exact.base} came out to the letter before, "
            f"{exact.adapted} after."
        )
        score = Score(METRIC, before, after, higher_is_better=False, exact=exact)
        artefact = packed(learner, self.recipe.base)
        return Adaptation(artefact, score, len(given.learned), len(given.apart), tokens)

    def _learner(self) -> Learner:
        rate = self.recipe.learning_rate * RATE_SHARE
        # Few steps: the mean over the last ones would be behind what was learned.
        recipe = replace(self.recipe, learning_rate=rate, together=TOGETHER, averaged=0.0)
        model = lora.loaded(self.base, recipe, "cpu")
        lora.start_from(model, self.parent)
        return Learner(model, Encoder.of(self.base, recipe.template), recipe)


def adapter(base: Path, parent: Path, mixing: float) -> LanguageAdapter:
    """By the processor's recipe."""
    return LanguageAdapter(base, parent, RECIPES[PROFILE], mixing)


def packed(learner: Learner, base: str) -> bytes:
    """The adapter's files by name, as one."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lora.write(learner.model, folder, base)
        files = {name: (folder / name).read_bytes() for name in (lora.CONFIG, lora.WEIGHTS)}
    return msgspec.msgpack.encode(files)


def unpack(artefact: bytes, folder: Path) -> None:
    """Write the files of `packed`. Raises AdapterUnfit where it is none."""
    try:
        files: Mapping[str, bytes] = msgspec.msgpack.decode(artefact, type=dict[str, bytes])
    except msgspec.DecodeError as error:
        raise lora.AdapterUnfit("This is no adapter.") from error
    if set(files) != {lora.CONFIG, lora.WEIGHTS}:
        raise lora.AdapterUnfit("An adapter is its weights and their settings.")
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _require_fitting(learner: Learner, dialogues: Sequence[Dialogue]) -> None:
    for one in dialogues:
        try:
            learner.length(one)
        except TemplateUnfit as error:
            raise TrainingFileInvalid(str(error)) from error


def _learn(learner: Learner, given: Divided, progress: Progress) -> int:
    """Go over it; how many tokens that were."""
    turns = list(given.learned) * rounds_of(len(given.learned))
    chance = random.Random(learner.recipe.seed)  # noqa: S311
    order = arranged(turns, learner.recipe.batch, learner.length, chance)

    def report(reached: Reached) -> None:
        progress(Metrics(reached.step, reached.steps, reached.loss, reached.validation))

    pace = Pace(kept=len(order), told=_TOLD, watched=max(_TOLD, -(-len(order) // _LOOKS)))
    with tempfile.TemporaryDirectory() as scratch:
        # A job that is killed is begun anew by another: minutes, not hours.
        kept = Checkpoints(Path(scratch), "")
        learner.learn(order, given.apart[:_MOST_WATCHED], kept, report, pace)
    return sum(map(learner.length, turns))
