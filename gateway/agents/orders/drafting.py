"""The draft for a work order: what the plant model says of it, and steps from the manuals.

The text of a work order is other people's: it chooses words to search for and nothing else. Tools,
budget, recipients and the kind of action are those of the definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from gateway.agents.definitions.orders import OrderPlan
from gateway.agents.definitions.tools import ToolKind, Toolset
from gateway.agents.orders.history import Named, OrderHistory, PlantOrder
from gateway.agents.orders.similar import OrderFindings, find_similar
from gateway.agents.running.prediction_call import PredictionFailed
from gateway.agents.steps.texts import WritingTask, write_text
from gateway.agents.steps.values import CallBudget, StepRecord
from gateway.agents.wording import agent_text
from gateway.plant.assets.limits import MAX_PROPERTY_VALUE

_MAX_STEPS = 8


@dataclass(frozen=True, slots=True)
class OrderInput:
    """The work order that a tick drafts for, with the history of the agent's asset."""

    order: PlantOrder
    history: OrderHistory
    plan: OrderPlan
    language: str


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """A draft: the order, its document, its text, and the records of calls."""

    order_id: UUID
    sha256: str
    document: dict[str, Any]
    text: str
    records: tuple[StepRecord, ...] = ()


async def draft_order(
    budget: CallBudget, toolset: Toolset, entry: OrderInput
) -> OrderDraft | PredictionFailed:
    """Draft for one work order; the manuals are asked only if the definition allows it."""
    found = find_similar(entry.order, entry.history, entry.plan.similar)
    written = await _steps(budget, toolset, entry, found)
    if isinstance(written, PredictionFailed):
        return written
    steps = {} if written is None else written.output
    document = {**_document(entry.order, found), "steps": steps.get("text", "")}
    document["passages"] = [
        {"file_id": one["file_id"], "filename": one["filename"]}
        for one in steps.get("passages", ())
    ]
    text = draft_text(document, entry.language)
    shown = StepRecord(name="draft", model="", output={**document, "text": text})
    records = (shown,) if written is None else (written, shown)
    return OrderDraft(entry.order.id, entry.order.sha256, document, text, records)


def draft_text(document: dict[str, Any], language: str) -> str:
    """Return a draft in words, as it is added to the work order."""
    lines: list[str] = []
    for one in document["modes"]:
        parts = [
            agent_text(f"draft_{key}", language, names=", ".join(one[key]))
            for key in ("causes", "remedies")
            if one[key]
        ]
        if one["count"]:
            parts.append(agent_text("draft_seen", language, count=one["count"]))
        lines.append("; ".join([one["name"], *parts]))
    similar = [
        " ".join(part for part in (one["code"], one["date"], one["name"]) if part)
        for one in document["similar"]
    ]
    sources = [f"[{at}] {one['filename']}" for at, one in enumerate(document["passages"], 1)]
    steps = [document["steps"], *sources] if document["steps"] else []
    sections = (
        ("draft_modes", lines),
        ("draft_steps", steps),
        ("draft_parts", [f"{one['code']} {one['name']}".strip() for one in document["parts"]]),
        ("draft_similar", similar),
    )
    written = [
        "\n".join([agent_text(key, language), *(f"- {one}" for one in stated)])
        for key, stated in sections
        if stated
    ]
    text = "\n\n".join(written) or agent_text("draft_nothing", language)
    return text[:MAX_PROPERTY_VALUE]


async def _steps(
    budget: CallBudget, toolset: Toolset, entry: OrderInput, found: OrderFindings
) -> StepRecord | PredictionFailed | None:
    """Return the steps from the manuals, None if the definition has no tools for them."""
    writer = toolset.find(entry.plan.writer, ToolKind.LANGUAGE_MODEL)
    manuals = toolset.find(entry.plan.manuals, ToolKind.FILE_SEARCH)
    if writer is None or manuals is None:
        return None
    task = WritingTask(
        name="steps",
        facts=_facts(found),
        language=entry.language,
        sentences=_MAX_STEPS,
        question=entry.order.text,
        search=manuals,
    )
    call = budget.named(f"order:{entry.order.id.hex}:{entry.order.sha256[:16]}")
    return await write_text(replace(budget, at=entry.order.updated_at), writer, task, call)


def _facts(found: OrderFindings) -> list[str]:
    """Return the likely failure modes with causes and remedies as facts."""
    known = [(one.mode.name, (*one.mode.causes, *one.mode.remedies)) for one in found.modes]
    return [f"{name}: {', '.join(_names(nodes))}" for name, nodes in known]


def _document(order: PlantOrder, found: OrderFindings) -> dict[str, Any]:
    """Return what the plant model says of a work order."""
    return {
        "order": order.code,
        "modes": [
            {
                "code": one.mode.code,
                "name": one.mode.name,
                "count": one.count,
                "score": round(one.score, 3),
                "causes": _names(one.mode.causes),
                "remedies": _names(one.mode.remedies),
            }
            for one in found.modes
        ],
        "similar": [
            {
                "code": one.order.code,
                "name": one.order.name[:200],
                "date": one.order.date,
                "similarity": round(one.similarity, 3),
            }
            for one in found.similar
        ],
        "parts": [{"code": one.code, "name": one.name} for one in found.parts],
    }


def _names(nodes: Sequence[Named]) -> list[str]:
    """Return the names of nodes."""
    return [one.name for one in nodes]
