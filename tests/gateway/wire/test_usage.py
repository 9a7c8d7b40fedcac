"""The `usage` object of answers that several steps make."""

from billing.rating.quantities import Quantities
from gateway.wire.usage import token_counts, usage_json


def test_usage_of_steps_has_the_sums_of_cached_and_reasoning_tokens() -> None:
    first = Quantities(input_tokens=9, cached_input_tokens=4, output_tokens=5, reasoning_tokens=3)
    second = Quantities(input_tokens=12, cached_input_tokens=8, output_tokens=2)
    assert usage_json(token_counts(first) + token_counts(second)) == {
        "prompt_tokens": 21,
        "completion_tokens": 7,
        "total_tokens": 28,
        "prompt_tokens_details": {"cached_tokens": 12},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def test_usage_of_specialists_alone_has_no_tokens_and_no_details() -> None:
    assert usage_json(token_counts(Quantities(rows=3))) == {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
    }
