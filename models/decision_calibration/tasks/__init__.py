"""Tasks with labelled questions: failure modes of orders, milling failures, handbook statements."""
