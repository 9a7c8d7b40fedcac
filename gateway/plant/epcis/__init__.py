"""Item history as EPCIS 2.0 events: validation, capture, queries, and traces over them."""
