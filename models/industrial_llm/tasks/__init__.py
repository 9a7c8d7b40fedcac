"""The tasks that the industrial language model is trained for, one per module."""
