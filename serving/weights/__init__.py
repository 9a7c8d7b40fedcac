"""Model weights: download, verification and conversion."""
