"""Outcomes: paid for an effect that was agreed, measured and not disputed."""
