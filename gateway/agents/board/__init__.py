"""Teams of agents that share a task board: announce, bid, award with a lease, record once."""
