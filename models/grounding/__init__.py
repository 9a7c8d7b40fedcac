"""Check that an answer's figures, units and names occur in the passages that it cites."""
