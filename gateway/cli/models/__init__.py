"""Commands of the catalog and of customers' versions of models."""
