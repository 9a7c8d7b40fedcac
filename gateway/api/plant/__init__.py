"""`/v1/plant`: the account's plant model."""
