"""The verdicts of guard models, in OpenAI's categories. None of them gives scores.

Llama Guard answers `safe`, or `unsafe` and, on the next line, the codes of the hazards that it
found, such as `S1,S9`, after empty lines (model cards of meta-llama/Llama-Guard-3-8B and
meta-llama/Llama-Guard-4-12B). Its hazards are those of MLCommons' taxonomy; some have no category
at OpenAI.

Qwen3Guard-Gen answers `Safety: Safe`, `Controversial` or `Unsafe`, then `Categories: ` with the
names of categories or `None`, and about an answer also `Refusal: Yes` or `No` (model card of
Qwen/Qwen3Guard-Gen-8B). Controversial is what may be harmful, depending on the context.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.call.errors import UpstreamFailed
from models.catalog import GuardFormat

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
# OpenAI's category of each hazard that has one. Others of Llama Guard are specialised advice (S6),
# privacy (S7), intellectual property (S8), elections (S13); of Qwen3Guard personal data (PII),
# politically sensitive topics, copyright violation and jailbreak.
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
        "Violent": "violence",
        "Non-violent Illegal Acts": "illicit",
        "Sexual Content or Sexual Acts": "sexual",
        "Suicide & Self-Harm": "self-harm",
        "Unethical Acts": "harassment",
    }
)
# The longest verdict: a word and a line of codes, or three lines with the names of categories.
VERDICT_TOKENS: Mapping[GuardFormat, int] = MappingProxyType(
    {GuardFormat.LLAMA_GUARD: 48, GuardFormat.QWEN_GUARD: 128}
)
SAFE, CONTROVERSIAL, UNSAFE = "safe", "controversial", "unsafe"
_SCORES = MappingProxyType({SAFE: 0.0, CONTROVERSIAL: 0.5, UNSAFE: 1.0})
# Fields with the hazards that a guard model reported, and with its verdict.
HAZARDS_FIELD, SAFETY_FIELD = "x_maas_hazards", "x_maas_safety"
_CODE = re.compile(r"\bS\d{1,2}\b")
_SAFETY = re.compile(r"Safety:[ \t]*(Safe|Controversial|Unsafe)[ \t]*(?:\n|$)")
_NAMES = re.compile(r"^Categories:[ \t]*(.*)$", re.MULTILINE)
_NO_CATEGORY = "None"
_MAX_HAZARDS, _MAX_NAME_LENGTH = 20, 80


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """`safe`, `controversial` or `unsafe`, and the hazards that were reported, maybe none."""

    safety: str
    hazards: tuple[str, ...] = ()


def parse_verdict(text: str, guard_format: GuardFormat) -> GuardVerdict:
    """Return the verdict in a guard model's answer. Raises UpstreamFailed if it is none."""
    if guard_format is GuardFormat.QWEN_GUARD:
        return _parse_labelled(text.strip())
    return _parse_codes(text.strip())


def _parse_codes(text: str) -> GuardVerdict:
    """Return the verdict in an answer of Llama Guard. Raises UpstreamFailed."""
    first, _, rest = text.partition("\n")
    word = first.strip().lower()
    if word == SAFE:
        return GuardVerdict(SAFE)
    if word != UNSAFE:
        raise _no_verdict()
    return GuardVerdict(UNSAFE, tuple(dict.fromkeys(_CODE.findall(rest))))


def _parse_labelled(text: str) -> GuardVerdict:
    """Return the verdict in an answer of Qwen3Guard. Raises UpstreamFailed."""
    safety, named = _SAFETY.match(text), _NAMES.search(text)
    if safety is None:
        raise _no_verdict()
    names = (one.strip()[:_MAX_NAME_LENGTH] for one in (named[1] if named else "").split(","))
    hazards = tuple(dict.fromkeys(one for one in names if one not in ("", _NO_CATEGORY)))
    return GuardVerdict(safety[1].lower(), hazards[:_MAX_HAZARDS])


def result_of(verdict: GuardVerdict, input_types: Sequence[str]) -> dict[str, Any]:
    """Return a verdict as a result of a moderation.

    A category that was found has the score 1, or 0.5 if the text is controversial, others 0. Both
    verdicts flag the text. `input_types` are `text`, `image` or both.
    """
    hazards, score = verdict.hazards, _SCORES[verdict.safety]
    found = {_CATEGORIES_BY_HAZARD[one] for one in hazards if one in _CATEGORIES_BY_HAZARD}
    is_flagged = verdict.safety != SAFE
    found = found if is_flagged else set()
    return {
        "flagged": is_flagged,
        "categories": {name: name in found for name in CATEGORIES},
        "category_scores": {name: score if name in found else 0.0 for name in CATEGORIES},
        "category_applied_input_types": {name: list(input_types) for name in CATEGORIES},
        HAZARDS_FIELD: list(hazards),
        SAFETY_FIELD: verdict.safety,
    }


def _no_verdict() -> UpstreamFailed:
    """Return the error for an answer that is no verdict."""
    return UpstreamFailed("The guard model did not answer with a verdict.")
