"""Entries of moderation models: what they are priced by follows from how they are asked."""

from dataclasses import replace

import pytest

from models.catalog import GuardFormat
from tests.support.gateway.moderating import GUARD, MODELS, MODERATOR

BY_ROWS, BY_TOKENS = MODELS[MODERATOR].prices, MODELS[GUARD].prices


@pytest.mark.parametrize(
    ("form", "prices", "context_length"),
    [
        (GuardFormat.MODERATIONS, BY_TOKENS, 8192),
        (GuardFormat.LLAMA_GUARD, BY_ROWS, 8192),
        (GuardFormat.LLAMA_GUARD, BY_TOKENS, None),
        (GuardFormat.QWEN_GUARD, BY_ROWS, 8192),
        (GuardFormat.QWEN_GUARD, BY_TOKENS, None),
    ],
)
def test_model_that_could_not_be_billed_or_bounded_is_refused(
    form: GuardFormat, prices: dict[str, dict[str, int]], context_length: int | None
) -> None:
    with pytest.raises(ValueError, match=r"priced|context_length"):
        replace(MODELS[GUARD], guard_format=form, prices=prices, context_length=context_length)
