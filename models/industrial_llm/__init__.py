"""The industrial language model: a general base, and adapters that teach it a plant's tasks."""
