"""The gateway: the HTTP API for customers, the dashboard, the `maas` command and the worker."""
