"""The request path of a metered call: parse, admit, dispatch, relay and record its usage."""
