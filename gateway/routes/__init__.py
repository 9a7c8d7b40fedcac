"""Thin handlers: parse, call one function, return."""
