"""The Ray cluster: deployment plan, HAProxy, tracing and the run loop."""
