"""The list of models in Anthropic's shape, for clients that send `anthropic-version`."""

from collections.abc import Sequence
from typing import Any

from models.catalog import Model

VERSION_HEADER = "anthropic-version"
# The catalog has no release dates; clients require one.
_CREATED_AT = "2026-01-01T00:00:00Z"


def model_list(entries: Sequence[tuple[str, Model]]) -> dict[str, Any]:
    """Return one page with all models that `/v1/messages` answers with, by public id."""
    data = [model_info(name, model) for name, model in entries]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def model_info(name: str, model: Model) -> dict[str, Any]:
    """Return a model, alias or fine-tuned model in Anthropic's shape."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": _CREATED_AT,
        "lifecycle": "active",
        "max_input_tokens": model.context_length,
        "max_tokens": model.context_length,
    }
