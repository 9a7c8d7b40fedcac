"""Classify what a request text asks for: a specialist's task, or plain language."""
