"""Training of the line reader: documents with questions, network, learning (card.md)."""
