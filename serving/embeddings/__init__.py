"""Embeddings under /v1/embeddings."""
