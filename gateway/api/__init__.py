"""REST resources under /v1 and /v2, and webhooks of payment collectors: thin handlers."""
