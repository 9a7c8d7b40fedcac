"""Filters that reduce readings at their source, each with a bound of the error that it causes."""
