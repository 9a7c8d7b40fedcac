"""Model servers: connections, load balancing, concurrency, fair queueing and error mapping."""
