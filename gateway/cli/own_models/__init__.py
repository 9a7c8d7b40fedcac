"""Commands about customers' own models after their training."""
