"""A sample of names for a reader who has not seen the code: `python -m tests.legibility`."""
