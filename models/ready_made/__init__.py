"""Ready-made models as starting points: their inputs as columns of a customer's table."""
