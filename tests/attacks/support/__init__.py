"""What the attack scripts share."""
