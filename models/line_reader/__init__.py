"""A trained reader that picks the line of passages which answers a question, or none (card.md)."""
