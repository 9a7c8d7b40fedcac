"""Hypothesis settings of this test suite.

A property fails by what it found, never by how long it took: on a busy machine a test that a core
was taken from for half a second is not wrong.
"""

import hypothesis

from tests.support.nightly import at_length

hypothesis.settings.register_profile(
    "suite",
    max_examples=at_length(100, 40),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")
