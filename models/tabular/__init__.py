"""Classifiers and regressors of rows with a customer's own columns, trained from the file."""
