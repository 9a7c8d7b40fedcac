"""Sentences of models and trainings: those of infra, and the words between two models."""

from infra.sentences import (
    Listing,
    Sentence,
    Value,
    listing,
    message_of,
    restored,
    sentence,
    value_json,
)

__all__ = (
    "Listing",
    "Sentence",
    "Value",
    "describe_verdict",
    "listing",
    "message_of",
    "restored",
    "sentence",
    "value_json",
)


def describe_verdict(is_better: bool, is_worse: bool) -> Sentence:
    """Return the words between a model and what it is compared with."""
    if is_better:
        return sentence("better than")
    return sentence("worse than") if is_worse else sentence("not distinguishable from")
