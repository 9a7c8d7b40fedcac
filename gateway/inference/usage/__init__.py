"""Usage rows of calls: built from a result, written before the last byte, with their errors."""
