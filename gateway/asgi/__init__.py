"""The server side of HTTP: protocol limits, one exchange with a client, timeouts, log context."""
