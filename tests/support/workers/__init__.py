"""Workers of pytest-xdist, forked from one process that has imported the test modules."""
