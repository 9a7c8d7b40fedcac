"""Evaluations: a customer's questions with expected answers, answered by models and scored."""
