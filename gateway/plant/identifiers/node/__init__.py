"""The node process: authorities and records in PostgreSQL, other nodes over HTTP, and its app."""
