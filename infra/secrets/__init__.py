"""The secret key and sealed values."""
