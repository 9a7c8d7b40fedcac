"""Compare this gateway with others: the same calls and the same upstream on one machine."""
