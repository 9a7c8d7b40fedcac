"""Parts of a gateway process beside the request path: pools, lifespan, gauges, integrations."""
