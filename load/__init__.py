"""Load tests, trace replay, soak test and benchmarks.

The service under test is called over HTTP, as clients call it. Which modules may import the
product's packages is stated by an import contract in `pyproject.toml`.
"""
