"""Files, fine-tuned variants and versions of shared models."""
