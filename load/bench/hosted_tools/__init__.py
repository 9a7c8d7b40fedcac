"""How well a language model and specialists answer together, on a running service."""
