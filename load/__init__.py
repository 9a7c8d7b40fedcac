"""Loads, traces, soak and benchmarks. What is measured is called by HTTP, as clients do; the
product's packages are imported only to start it, to fill it, and to measure parts of it alone."""
