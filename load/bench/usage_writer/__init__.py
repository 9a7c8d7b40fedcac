"""Benchmark of the usage writer alone: the cost of a call's rows, and the wait for their commit."""
