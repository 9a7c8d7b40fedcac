"""REST resources under /v1/outcomes."""
