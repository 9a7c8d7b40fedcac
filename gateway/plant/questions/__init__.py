"""Questions about the plant in words: understood as a small typed query, answered with triples."""
