"""Metrics of answers from passages: outcomes, and what a second answer counts as."""

from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.retrieval.asking import ask, tool
from tests.gateway.retrieval.firm import Firm
from tests.support.builders import CHAT
from tests.support.gateway.drafts import QUESTION, RIGHT, TEXT, WRONG, in_order
from tests.support.gateway.lasting import Lasting

ATTEMPTS = "gen_ai_client_operation_duration_seconds_count"
TOKENS = "gen_ai_client_token_usage_sum"
CALLS = "gen_ai_server_request_duration_seconds_count"


@pytest.fixture(scope="module")
def firm(served: Lasting) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture(scope="module")
async def store(firm: Firm) -> str:
    return await firm.store(TEXT, name="filter.txt")


async def counts(firm: Firm) -> Counter[tuple[str, ...]]:
    """The metrics of the chat model: by name and the label that tells its samples apart."""
    firm.gateway.parts.call_metrics.flush()
    text = (await firm.gateway.http.get("/metrics")).text
    found: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if CHAT in (labels.get("model"), labels.get("gen_ai_request_model")):
                kinds = ("settlement", "outcome", "error_type", "gen_ai_token_type")
                kind = next((labels[kind] for kind in kinds if kind in labels), "")
                found[sample.name, kind] += int(sample.value)
    return found


async def test_corrected_answer_is_one_call_of_two_attempts_billed_for_the_first(
    firm: Firm, served: Lasting, store: str
) -> None:
    served.upstream.replies = in_order(WRONG, RIGHT)
    before = await counts(firm)
    answer = await ask(firm, QUESTION, tool(store), max_tokens=7)
    added = await counts(firm) - before
    assert (added[CALLS, ""], added["maas_calls_total", "complete"]) == (1, 1)
    assert added["maas_calls_total", "waived"] == 0
    assert added[ATTEMPTS, ""] == 2
    assert added[TOKENS, "output"] == answer.usage.completion_tokens == 7
    assert added["maas_grounding_total", "verified"] == 1


async def test_failed_second_answer_is_a_failed_attempt_and_no_failed_call(
    firm: Firm, served: Lasting, store: str
) -> None:
    served.upstream.replies, served.upstream.does = in_order(WRONG), ["answer", "fault"]
    before = await counts(firm)
    await ask(firm, QUESTION, tool(store), max_tokens=7)
    added = await counts(firm) - before
    assert (added[ATTEMPTS, ""], added[ATTEMPTS, "model_failed"]) == (1, 1)
    assert (added[CALLS, ""], added[CALLS, "model_failed"]) == (1, 0)
    assert added["maas_calls_total", "complete"] == 1
    assert added["maas_calls_total", "platform_fault"] == 0
    assert added["maas_grounding_total", "quoted"] == 1


@pytest.mark.parametrize(
    ("said", "kind", "outcome"),
    [
        ("I do not know.", "text", "not_found"),
        ('{"hours": 600}', "json_object", "unchecked"),
    ],
)
async def test_answer_that_is_not_corrected_is_counted_by_its_outcome(
    firm: Firm, served: Lasting, store: str, said: str, kind: str, outcome: str
) -> None:
    served.upstream.replies = in_order(said)
    before = await counts(firm)
    await ask(firm, QUESTION, tool(store), response_format={"type": kind})
    added = await counts(firm) - before
    assert (added[ATTEMPTS, ""], added["maas_grounding_total", outcome]) == (1, 1)
