"""The request path of a metered call: from the parsed request to a durable usage row."""
