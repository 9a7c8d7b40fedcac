"""Train the industrial language model again and measure it as it is served."""
