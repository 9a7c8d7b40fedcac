"""The verdict of a guard model in Llama Guard's form, in OpenAI's categories.

The model answers `safe`, or `unsafe` and, on the next line, the codes of the hazards that it found.
Its hazards are those of MLCommons' taxonomy; some have no category at OpenAI, and none has a score.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway.call.errors import UpstreamFailed

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
# OpenAI's category of each hazard that has one. Others are defamation's neighbours: specialised
# advice (S6), privacy (S7), intellectual property (S8), elections (S13).
_CATEGORIES_BY_HAZARD: Mapping[str, str] = MappingProxyType(
    {
        "S1": "violence",
        "S2": "illicit",
        "S3": "sexual",
        "S4": "sexual/minors",
        "S5": "harassment",
        "S9": "illicit/violent",
        "S10": "hate",
        "S11": "self-harm",
        "S12": "sexual",
        "S14": "illicit",
    }
)
_HAZARD = re.compile(r"\bS\d{1,2}\b")
_SAFE, _UNSAFE = "safe", "unsafe"
# The field with the codes that a guard model reported.
HAZARDS_FIELD = "x_maas_hazards"


def parse_verdict(text: str) -> tuple[str, ...] | None:
    """Return the codes of the hazards in an unsafe text, maybe none; None if it is safe.

    Raises UpstreamFailed if the answer is no verdict.
    """
    first, _, rest = text.strip().partition("\n")
    word = first.strip().lower()
    if word == _SAFE:
        return None
    if word != _UNSAFE:
        raise UpstreamFailed("The guard model did not answer with a verdict.")
    return tuple(dict.fromkeys(_HAZARD.findall(rest)))


def result_of(hazards: Sequence[str] | None, input_types: Sequence[str]) -> dict[str, Any]:
    """Return a verdict as a result of a moderation; a flagged category has the score 1, others 0.

    `input_types` are `text`, `image` or both.
    """
    found = {_CATEGORIES_BY_HAZARD[code] for code in hazards or () if code in _CATEGORIES_BY_HAZARD}
    return {
        "flagged": hazards is not None,
        "categories": {name: name in found for name in CATEGORIES},
        "category_scores": {name: 1.0 if name in found else 0.0 for name in CATEGORIES},
        "category_applied_input_types": {name: list(input_types) for name in CATEGORIES},
        HAZARDS_FIELD: list(hazards or ()),
    }
