"""Forecasts of a customer's own series: trained from a table with a time and a target column."""
