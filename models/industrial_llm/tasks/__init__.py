"""What the industrial language model learns to do, one task a file."""
