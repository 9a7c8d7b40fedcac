"""Routes, answers and photos of inspection rounds for tests."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from PIL import Image

from gateway.agents.definitions.rounds import RoundPlan
from gateway.agents.rounds.answers import NewAnswer
from tests.support.gateway.agents import definition

BEGUN = datetime(2026, 3, 2, 6, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
VIBRATION = {
    "id": "vibration",
    "text": {"en": "Vibration", "zh": "振动"},
    "kind": "number",
    "unit": "mm/s",
    "low": 0,
    "high": 4.5,
    "point": "P1.V",
}
LEAK = {"id": "leak", "text": "Leak?", "kind": "yes_no", "alarm": ["yes"], "photos": 2}
NOISE = {"id": "noise", "text": "Noise", "kind": "choice", "options": ["low", "high"]}
NOTE = {"id": "note", "text": "Remarks", "kind": "text", "required": False}
PICTURE = {"id": "seal", "text": "Seal", "kind": "photo", "alarm": ["crack"], "required": False}


def route(**fields: Any) -> dict[str, Any]:
    """Return the section `[round]` with one stop, changed by `fields`."""
    return {"stops": [{"questions": [VIBRATION, LEAK, NOISE, NOTE, PICTURE]}], **fields}


def plan(**fields: Any) -> RoundPlan:
    """Return the checked route of `route(**fields)`."""
    found = definition(round=route(**fields), rules=[]).round
    assert found is not None
    return found


def answer(question: str, value: float | bool | str | None, **fields: Any) -> NewAnswer:
    """Return an answer at stop 0."""
    stated = {"key": f"{question}-1", "stop": 0, "answered_at": NOW, **fields}
    return NewAnswer(question=question, value=value, **stated)


def photo(size: tuple[int, int] = (64, 48), kind: str = "JPEG", **options: Any) -> bytes:
    """Return a picture file."""
    file = BytesIO()
    Image.new("RGB", size, (200, 90, 20)).save(file, kind, **options)
    return file.getvalue()
