"""REST resources under /v1 and /v2, and webhooks of collectors: thin handlers."""
