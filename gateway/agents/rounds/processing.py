"""What an agent does with a submitted round: classify its photos, and summarise its report.

Calls have the round's id and time in their idempotency keys, so that a tick that is repeated after
a crash, or by a newer version of the agent, gets the stored answers.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_from_text
from gateway.agents.definitions.rounds import RoundPlan
from gateway.agents.definitions.tools import Tool, ToolKind, Toolset
from gateway.agents.rounds.findings import Classified, findings
from gateway.agents.rounds.loading import RoundContent
from gateway.agents.rounds.texts import facts
from gateway.agents.rules import RuleResult
from gateway.agents.running.prediction_call import PredictionFailed, post_call, read_failure
from gateway.agents.steps.texts import WritingTask, write_text
from gateway.agents.steps.values import BUDGET_EXHAUSTED, UNREADABLE, CallBudget, StepRecord
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.tables.agents_rounds import AgentRound
from infra import ids

MAX_CALLS_REACHED, FILE_DELETED = "agent_max_calls", "file_deleted"
_LABELS = ("label", "class")


@dataclass(frozen=True, slots=True)
class RoundInput:
    """The round that a tick considers. is_new: no tick has processed it.

    results: those of the round as it was processed. files: its photos by id, only of a new one.
    """

    row: AgentRound
    results: tuple[RuleResult, ...]
    is_new: bool
    plan: RoundPlan
    content: RoundContent | None = None
    files: Mapping[UUID, bytes] | None = None


@dataclass(frozen=True, slots=True)
class PhotoLabel:
    """What the specialist said of a photo, or the code of what failed."""

    photo_id: UUID
    label: str | None = None
    probability: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProcessedRound:
    """A round after its tick: labels of photos, the summary, and the records of the calls."""

    round_id: UUID
    labels: tuple[PhotoLabel, ...] = ()
    summary: dict[str, Any] | None = None
    results: tuple[RuleResult, ...] = ()
    records: tuple[StepRecord, ...] = ()


async def process_round(
    budget: CallBudget, toolset: Toolset, entry: RoundInput
) -> ProcessedRound | PredictionFailed:
    """Classify the photos of a round and write its summary, as far as its definition allows."""
    if entry.content is None or entry.row.submitted_at is None:
        return ProcessedRound(entry.row.id, results=entry.results)
    budget = replace(budget, at=entry.row.submitted_at)
    done = ProcessedRound(entry.row.id)
    images = toolset.find(entry.plan.images, ToolKind.SPECIALIST)
    if images is not None:
        classified = await _classify_all(budget, images, entry)
        if isinstance(classified, PredictionFailed):
            return classified
        done = classified
    labelled = _labelled(entry.content, done.labels)
    results = findings(entry.plan, entry.content.answers, labelled, entry.content.language)
    done = replace(done, results=results)
    writer = toolset.find(entry.plan.summary, ToolKind.LANGUAGE_MODEL)
    if writer is None or entry.row.report is None:
        return done
    task = WritingTask("summary", facts(entry.row.report, entry.content.language), _language(entry))
    call = budget.named(f"round:{entry.row.id.hex}:summary")
    written = await write_text(budget.after(done.records), writer, task, call)
    if isinstance(written, PredictionFailed):
        return written
    summary = {
        "text": written.output.get("text", ""),
        "dropped": written.output.get("dropped", 0),
        "model": writer.model,
        "error": written.error,
    }
    return replace(done, summary=summary, records=(*done.records, written))


async def _classify_all(
    budget: CallBudget, tool: Tool, entry: RoundInput
) -> ProcessedRound | PredictionFailed:
    """Classify the photos, as many as calls and budget allow."""
    labels: list[PhotoLabel] = []
    records: tuple[StepRecord, ...] = ()
    for number, photo in enumerate(entry.content.photos if entry.content else ()):
        content = (entry.files or {}).get(photo.id)
        if content is None:
            labels.append(PhotoLabel(photo.id, error=FILE_DELETED))
        elif number >= tool.max_calls:
            labels.append(PhotoLabel(photo.id, error=MAX_CALLS_REACHED))
        elif (rest := budget.after(records)).left_nano <= 0:
            labels.append(PhotoLabel(photo.id, error=BUDGET_EXHAUSTED))
        else:
            found = await _classify(rest, tool, photo.id, content, entry.row.id)
            if isinstance(found, PredictionFailed):
                return found
            label, record = found
            labels, records = [*labels, label], (*records, record)
    return ProcessedRound(entry.row.id, tuple(labels), records=records)


async def _classify(
    budget: CallBudget, tool: Tool, photo_id: UUID, content: bytes, round_id: UUID
) -> tuple[PhotoLabel, StepRecord] | PredictionFailed:
    """Classify one photo as a metered call."""
    body = {"model": tool.model, "instances": [{"image": base64.b64encode(content).decode()}]}
    call = budget.named(f"round:{round_id.hex}:{photo_id.hex}")
    response = await post_call(budget.client, PREDICTIONS, call, budget.at, budget.left_nano, body)
    try:
        answer = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        answer = {}
    if response.status != 200 or not answer.get("predictions"):
        failed = read_failure(response.status, answer)
        if failed.stops or failed.waits:
            return failed
        record = StepRecord(tool.name, tool.model, {}, error=failed.code)
        return PhotoLabel(photo_id, error=failed.code), record
    label = read_label(photo_id, answer["predictions"][0])
    record = StepRecord(
        name=tool.name,
        model=tool.model,
        output={"label": label.label, "probability": label.probability},
        request_id=ids.parse_id(REQUEST_ID_PREFIX, str(answer.get("id", ""))),
        cost_nano=nano_from_text(response.headers.get("x-maas-cost", "0")),
        error=label.error,
    )
    return label, record


def read_label(photo_id: UUID, prediction: Mapping[str, Any]) -> PhotoLabel:
    """Return the label and probability of a prediction about a photo."""
    label = next((prediction[one] for one in _LABELS if isinstance(prediction.get(one), str)), None)
    probability = prediction.get("probability")
    if label is None:
        return PhotoLabel(photo_id, error=UNREADABLE)
    if not isinstance(probability, int | float) or isinstance(probability, bool):
        return PhotoLabel(photo_id, label[:200])
    return PhotoLabel(photo_id, label[:200], float(probability))


def _labelled(content: RoundContent, labels: Sequence[PhotoLabel]) -> list[Classified]:
    """Return the photos with their new labels."""
    known = {one.photo_id: one for one in labels}
    return [
        Classified((one.stop, one.question), known[one.id].label, known[one.id].probability)
        for one in content.photos
        if one.id in known
    ]


def _language(entry: RoundInput) -> str:
    """Return the language of the account's recipients."""
    return entry.content.language if entry.content else "en"
