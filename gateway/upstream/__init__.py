"""Client side of the model servers: connections, load balancing, concurrency limits, errors."""
