"""Text generation on vLLM."""
