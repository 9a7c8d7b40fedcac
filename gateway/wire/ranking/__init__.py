"""Wire shapes of rerankers."""
