"""Predicted against observed results: scores with confidence intervals, comparison, coverage."""
