"""Every operation of the OpenAPI document responds as documented and never with a 5xx."""

from pathlib import Path

import pytest

from tests.fuzzing import document
from tests.fuzzing.budget import FULL, TALLY
from tests.fuzzing.service import Service
from tests.support.nightly import nightly


@nightly
async def test_responses_match_the_openapi_document_at_schema_limits(
    service: Service, tmp_path: Path
) -> None:
    """schemathesis calls each operation with values at the limits of its schema."""
    found = await document.run(service, tmp_path, examples=1, phases="coverage", most_s=240)
    TALLY.count(found.cases)
    assert found.well, found.said
    assert found.cases > 1000


@pytest.mark.skipif(not FULL, reason="takes minutes: `make fuzz`")
async def test_responses_match_the_openapi_document_for_random_requests(
    service: Service, tmp_path: Path
) -> None:
    """schemathesis uses random values, and values of one response in the next request."""
    found = await document.run(
        service, tmp_path, examples=50, phases="fuzzing,stateful", most_s=420
    )
    TALLY.count(found.cases)
    assert found.well, found.said
