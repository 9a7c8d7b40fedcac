"""A language model that can be fine-tuned, and training dialogues for it."""

import json
from dataclasses import replace
from typing import Any

from models.catalog import Catalog, Meter, Weights
from tests.support.builders import CATALOG, CHAT

INDUSTRY = f"{CHAT}-industry"
# Nano-units for a second of learning.
SECOND = 2_000_000
_CNY = {**CATALOG.models[CHAT].prices["CNY"], Meter.ADAPTATION_SECONDS: SECOND}
TEXTS = Catalog(
    {
        **CATALOG.models,
        INDUSTRY: replace(
            CATALOG.models[CHAT],
            id=INDUSTRY,
            weights=Weights(kind="adapter", source="industrial_llm/adapter_tiny"),
            prices={"CNY": _CNY},
            base=CHAT,
            adapter="industrial_llm",
            concurrency=None,
            fallbacks=(),
            engine={},
        ),
    }
)


def dialogue(question: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def dialogues(first: str = "工单 0", count: int = 16) -> bytes:
    """Work orders of three kinds; the first one has this question."""
    orders = [first, *(f"工单 {at}: pump {at} leaks" for at in range(1, count))]
    return file(*(dialogue(order, f"answer {at % 3}") for at, order in enumerate(orders)))


def file(*lines: dict[str, Any] | str) -> bytes:
    """A training file of lines, given as text or as objects to encode."""
    written = (
        one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in lines
    )
    return "\n".join(written).encode()
