"""Alignment of raw plant tags with concepts (Brick, AAS), fine-tuned on confirmations."""
