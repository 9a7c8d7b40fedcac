"""Database benchmark: the cost of a call in PostgreSQL, and the write throughput."""
