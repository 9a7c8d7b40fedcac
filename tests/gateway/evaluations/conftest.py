"""Fixtures of the evaluation tests: an account that evaluates models."""

import pytest

from infra.timing import Timing
from tests.support import builders
from tests.support.builders import Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.evaluator import Evaluator


@pytest.fixture
def timing() -> Timing:
    """Queued runs are looked for often, because a released run waits for the next look."""
    return builders.polling("evaluations", "comparisons")


@pytest.fixture
def evaluator(gateway: Gateway, upstream: FakeUpstream) -> Evaluator:
    return Evaluator(gateway, upstream)
