"""REST resources under /v1, /v2 and /stripe: thin handlers."""
