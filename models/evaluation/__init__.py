"""Evaluation of a model on a customer's questions: the question file, scoring and statistics."""
