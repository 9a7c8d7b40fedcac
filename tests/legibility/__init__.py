"""Random names for a reader without knowledge of the code: `python -m tests.legibility`."""
