"""Requests of `/v1/tags/align` and `/v1/tags/propose`: rows of the model, responses, errors."""

from typing import Any

import msgspec
import pytest

from gateway.call.errors import ParameterInvalid, UpstreamFailed
from gateway.call.values import Operation, ParsedRequest
from models.catalog import Task
from tests.support.builders import CATALOG
from tests.support.gateway.decoded import decoded, parsed

MODEL = CATALOG.with_task(Task.ALIGNMENT)[0]
TAGS = ["AHU1_ZuluftTemp", "R12_Raumtemp", "R14_Raumtemp"]
OWN = [{"id": "RT", "name": "Room temperature"}, {"id": "SAT", "name": "Supply air temperature"}]
ALIGNMENT, PROPOSAL = Operation.TAG_ALIGNMENT, Operation.TAG_PROPOSAL


def request_of(operation: Operation, **fields: Any) -> ParsedRequest:
    body = {"model": MODEL.id, "tags": TAGS, **fields}
    return parsed(operation, msgspec.json.encode(body), MODEL)


def columns(request: ParsedRequest) -> dict[str, list[Any]]:
    return {one["name"]: one["data"] for one in msgspec.json.decode(request.body)["inputs"]}


def answer(ranks: list[int], **changes: list[Any]) -> bytes:
    """A response of the model for the tags: the second one has no likely concept."""
    outputs = {
        "concept": ["SAT", "", "RT"],
        "name": ["Supply air temperature", "", "Room temperature"],
        "score": [0.9, 0.0, 0.8],
        "basis": ["letters"] * 3,
        "candidates": [["SAT", "RT"], ["", ""], ["RT", ""]],
        "candidate_scores": [[0.9, 0.2], [0.0, 0.0], [0.8, 0.0]],
        "notation": ["flat"] * 3,
        "kind": ["point", "", "point"],
        "equipment": ["AHU1", "", ""],
        "unit": ["°C", "", ""],
        "unit_basis": ["name", "", ""],
        "confirm_rank": ranks,
        **changes,
    }
    listed = [{"name": name, "data": data} for name, data in outputs.items()]
    return msgspec.json.encode({"outputs": listed})


def converted(request: ParsedRequest, response: bytes) -> dict[str, Any]:
    assert request.convert_response is not None
    found: dict[str, Any] = msgspec.json.decode(request.convert_response(response))
    return found


def test_own_concepts_are_sent_once_for_all_tags() -> None:
    request = request_of(ALIGNMENT, concepts=OWN)
    sent = columns(request)
    assert sent["tag"] == TAGS
    assert sent["scheme"] == ["own"] * 3
    first, *others = sent["concepts"]
    assert [one["id"] for one in msgspec.json.decode(first)] == ["RT", "SAT"]
    assert others == ["", ""]
    assert request.output_bounds.rows == 3


def test_vocabulary_and_ranges_are_columns_only_if_they_are_stated() -> None:
    assert columns(request_of(ALIGNMENT)).keys() == {"tag"}
    sent = columns(request_of(ALIGNMENT, scheme="aas", ranges=[[0, 40], None, [1, 2]]))
    assert (sent["scheme"], sent["low"]) == (["aas"] * 3, [0.0, 0.0, 1.0])
    assert sent["high"] == [40.0, 0.0, 2.0]


def test_alignment_has_an_entry_for_each_tag_with_null_for_what_is_unknown() -> None:
    found = converted(request_of(ALIGNMENT), answer([0, 0, 0]))
    assert (found["object"], found["model"]) == ("list", MODEL.id)
    assert found["usage"] == {"rows": 3}
    first, second, third = found["data"]
    assert (first["concept"], first["equipment"], first["unit"]) == ("SAT", "AHU1", "°C")
    assert (second["concept"], second["name"], second["candidates"]) == (None, None, [])
    assert second["kind"] is None
    assert third["candidates"] == [{"concept": "RT", "score": 0.8}]


def test_proposal_lists_ranked_tags_in_order_up_to_count() -> None:
    request = request_of(PROPOSAL, count=2)
    assert columns(request)["list"] == ["new", "same", "same"]
    found = converted(request, answer([3, 1, 2]))
    assert [(one["rank"], one["index"]) for one in found["data"]] == [(1, 1), (2, 2)]
    assert found["data"][1]["tag"] == TAGS[2]
    assert found["usage"] == {"rows": 3}


def test_tag_that_another_one_covers_is_not_proposed() -> None:
    found = converted(request_of(PROPOSAL), answer([1, 2, 0]))
    assert [one["index"] for one in found["data"]] == [0, 1]


def test_response_of_another_model_is_an_error_of_the_upstream() -> None:
    response = msgspec.json.encode({"outputs": [{"name": "failure", "data": [0, 1, 0]}]})
    with pytest.raises(UpstreamFailed):
        converted(request_of(ALIGNMENT), response)


@pytest.mark.parametrize("operation", [ALIGNMENT, PROPOSAL])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"tags": []}, "tags"),
        ({"tags": ["a"] * 4097}, "tags"),
        ({"tags": ["AHU1", " "]}, "tags[1]"),
        ({"tags": ["a\nb"]}, "tags[0]"),
        ({"scheme": "haystack"}, "scheme"),
        ({"scheme": "brick", "concepts": OWN}, "scheme"),
        ({"concepts": []}, "concepts"),
        ({"concepts": [OWN[0], OWN[0]]}, "concepts"),
        ({"concepts": [{"id": "RT"}]}, "concepts[0]"),
        ({"concept": OWN}, "concept"),
    ],
)
def test_invalid_field_is_named(operation: Operation, fields: dict[str, Any], param: str) -> None:
    body = {"model": MODEL.id, "tags": TAGS, **fields}
    with pytest.raises(ParameterInvalid) as caught:
        decoded(operation, msgspec.json.encode(body))
    assert (caught.value.param or "").startswith(param)


@pytest.mark.parametrize("fields", [{"count": 0}, {"count": 5000}])
def test_invalid_count_is_named(fields: dict[str, Any]) -> None:
    with pytest.raises(ParameterInvalid) as caught:
        request_of(PROPOSAL, **fields)
    assert caught.value.param == "count"


def test_ranges_must_be_as_many_as_tags() -> None:
    with pytest.raises(ParameterInvalid) as caught:
        request_of(ALIGNMENT, ranges=[[0, 1]])
    assert caught.value.param == "ranges"
