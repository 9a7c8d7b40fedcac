"""Price kinds: what a quantity costs in one billing period, one module per kind."""
