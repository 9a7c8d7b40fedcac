"""What is sold: the catalog and the specialist models with their training."""
