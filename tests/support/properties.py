"""Hypothesis settings of this test suite.

A property fails by what it found, never by how long it took: on a busy machine a test that a core
was taken from for half a second is not wrong.

Hypothesis also tries the constants of our source code. It parses the source of every imported
module for them, in each worker of a fresh clone again: only `make test-all` has it look for them.
"""

import hypothesis
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tests.support.nightly import at_length

hypothesis.settings.register_profile(
    "suite",
    max_examples=at_length(100, 25),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

_find_constants = providers._get_local_constants
_NO_CONSTANTS = Constants()
providers._get_local_constants = at_length(_find_constants, lambda: _NO_CONSTANTS)
