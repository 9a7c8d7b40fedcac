"""Having a version learned: serving's own learning, as customers' adapters are learned by it.

Owns asking for it, and leaving out a line that cannot be learned from rather than giving all up for
it: what one account sends must not keep the others from being heard. Nobody is billed.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.call.errors import UpstreamFailed, UpstreamTimeout
from gateway.call.values import Target
from gateway.fine_tuning.progress_stream import Line, lines_of, refusal_of
from gateway.shared_models.training_file import TrainingText
from gateway.upstream.client import Upstream
from gateway.upstream.error_mapping import SpecialistRefused
from gateway.wire.fine_tuning import MOST_TEXT_S, ask_adaptation
from infra import ids
from models.catalog import Model

# Customers' jobs may be before it in serving's queue, each as long as it may take.
_PATIENCE_S = 4.0 * MOST_TEXT_S
_MOST_LEFT_OUT = 20
# Half of the way from the built-in version: nearly all that is learned, and nearly nothing that is
# forgotten (docs/decisions/0030).
_MIXING = 0.5
_NAMED_LINE = re.compile(r"Line (\d+)\b")


@dataclass(frozen=True, slots=True)
class Learned:
    """The weights, what they were learned from in the end, and the learner's own score."""

    artefact: bytes
    text: TrainingText
    score: dict[str, object]
    seconds: int


async def learn(
    upstream: Upstream,
    server: str,
    model: Model,
    text: TrainingText,
    report: Callable[[str], None],
) -> Learned:
    """Raises SpecialistRefused with what is wrong with the file as a whole, UpstreamFailed and its
    like, UpstreamTimeout."""
    for _ in range(_MOST_LEFT_OUT):
        try:
            return await _learn(upstream, server, model, text, report)
        except SpecialistRefused as error:
            named = _NAMED_LINE.match(error.message)
            # A line of our own that cannot be learned is a fault of ours.
            if named is None or int(named[1]) not in text.examples:
                raise
            text = text.without(int(named[1]))
            report(f"An account's example is left out: {error.message}")
    raise UpstreamFailed(f"More than {_MOST_LEFT_OUT} examples cannot be learned from.")


async def _learn(
    upstream: Upstream,
    server: str,
    model: Model,
    text: TrainingText,
    report: Callable[[str], None],
) -> Learned:
    ask = ask_adaptation(model, text.content, mixing=_MIXING)
    target = Target(server + ask.path, ask, ids.new_id(), server)
    try:
        async with asyncio.timeout(_PATIENCE_S), upstream.open(target) as answer:
            async for line in lines_of(answer):
                if found := _ended(line, text):
                    return found
                report(line.progress or "")
    except TimeoutError:
        raise UpstreamTimeout("Learning did not end in time.") from None
    raise UpstreamFailed("Learning was broken off.")


def _ended(line: Line, text: TrainingText) -> Learned | None:
    if line.error is not None:
        raise refusal_of(line.error)
    if line.variant is None:
        return None
    return Learned(line.variant.artefact, text, line.variant.score, line.seconds)
