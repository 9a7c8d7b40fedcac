"""Models and operations whose calls may support a claim, declared or by default."""

import pytest

from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid
from billing.outcomes.contracts.supporting_calls import (
    OPERATIONS,
    AttributionRules,
    default_attribution,
    validate_attribution,
)
from billing.rating.terms import Allowance
from gateway.call.values import Operation
from gateway.inference.endpoints.table import ENDPOINTS


def covering(*units: tuple[str, str]) -> AttributionRules:
    return default_attribution([Allowance(model, meter, 10) for model, meter in units])


class TestDefaultAttribution:
    def test_covered_rows_and_images_allow_predictions_of_their_models(self) -> None:
        found = covering(("vib", "rows"), ("eye", "images"))
        assert found == AttributionRules(("eye", "vib"), ("predictions", "infer"))

    def test_covered_output_tokens_allow_chats_of_their_model(self) -> None:
        found = covering(("llm", "input_tokens"), ("llm", "output_tokens"))
        assert found == AttributionRules(
            ("llm",), ("chat", "text_completion", "messages", "responses")
        )

    def test_covered_embeddings_allow_no_operation(self) -> None:
        found = covering(("vectors", "input_tokens"))
        assert not any(found.allows("vectors", one) for one in (*OPERATIONS, "embeddings"))

    def test_contract_without_allowances_allows_specialist_predictions(self) -> None:
        found = covering()
        assert found.allows("vib", "infer")
        assert not found.allows("llm", "chat")


def test_supporting_operations_are_those_of_predicting_endpoints() -> None:
    """A new endpoint supports no claim until it is listed here."""
    texts = {Operation.CHAT, Operation.TEXT_COMPLETION, Operation.MESSAGES, Operation.RESPONSES}
    predicting = texts | {Operation.PREDICTIONS, Operation.INFER}
    assert set(OPERATIONS) == predicting
    assert predicting <= ENDPOINTS.keys()


@pytest.mark.parametrize(
    ("models", "operations", "field"),
    [
        ((), ("infer",), "attribution.models"),
        (("vib",) * 2, ("infer",), "attribution.models"),
        (("*",), ("infer",), "attribution.models"),
        (("vib", ""), ("infer",), "attribution.models"),
        (tuple(f"m{at}" for at in range(21)), ("infer",), "attribution.models"),
        (("vib",), (), "attribution.operations"),
        (("vib",), ("infer", "infer"), "attribution.operations"),
        (("vib",), ("infer", "embeddings"), "attribution.operations"),
    ],
)
def test_invalid_attribution_is_rejected_with_its_field(
    models: tuple[str, ...], operations: tuple[str, ...], field: str
) -> None:
    with pytest.raises(OutcomeTermsInvalid) as caught:
        validate_attribution(AttributionRules(models, operations))
    assert caught.value.param == field
