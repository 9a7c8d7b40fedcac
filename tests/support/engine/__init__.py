"""The real engine of a test run: Ray Serve and vLLM, started once and shared by every worker."""
