"""The model catalog, and the specialist models with their training and export."""
