"""The industrial language model, learned again and measured as it is served."""
