"""Every address of the OpenAPI document: it answers as the document says, and never with a 5xx."""

from pathlib import Path

import pytest

from tests.fuzzing import document
from tests.fuzzing.budget import FULL, TALLY
from tests.fuzzing.service import Service
from tests.support.nightly import nightly


@nightly
async def test_is_true(service: Service, tmp_path: Path) -> None:
    """The document's own limits, by schemathesis: each address at the edges of what it allows."""
    found = await document.run(service, tmp_path, examples=1, phases="coverage", most_s=240)
    TALLY.count(found.cases)
    assert found.well, found.said
    assert found.cases > 1000


@pytest.mark.skipif(not FULL, reason="takes minutes: `make fuzz`")
async def test_is_true_at_random(service: Service, tmp_path: Path) -> None:
    """The same with values made up, and one call's answer in the next."""
    found = await document.run(
        service, tmp_path, examples=50, phases="fuzzing,stateful", most_s=420
    )
    TALLY.count(found.cases)
    assert found.well, found.said
