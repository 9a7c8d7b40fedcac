"""Rewrite texts so that names, numbers and units stand as the reader expects them."""
