"""A catalog with two language models, and calls with `model: "auto"`."""

from dataclasses import replace
from functools import cache
from typing import Any

from models.catalog import Catalog
from tests.support.builders import CATALOG, CHAT, INDUSTRIAL

# 2 tokens in and 5 out cost 11,000 nano at CHAT's prices, and 7 times as much at SWIFT's.
PRICES = {"CNY": {meter: 7 * price for meter, price in CATALOG.models[CHAT].prices["CNY"].items()}}
SWIFT = "swift"


@cache
def two() -> Catalog:
    """The catalog with two language models: CHAT and, dearer and faster, what it falls back to."""
    route = CATALOG.models[INDUSTRIAL].route
    chat = replace(CATALOG.models[CHAT], latency_ms=400, fallbacks=(SWIFT,), route=route)
    swift = replace(chat, id=SWIFT, prices=PRICES, latency_ms=40, fallbacks=())
    others = CATALOG.filter(lambda model: model.id != INDUSTRIAL).models
    return Catalog({**others, CHAT: chat, SWIFT: swift})


def chat(model: str = "auto", prompt: str = "hello there", **values: Any) -> dict[str, Any]:
    message = {"role": "user", "content": prompt}
    return {"model": model, "messages": [message], "max_tokens": 5, **values}
