"""Vector stores: ingestion, hybrid search and retrieval-augmented generation."""
