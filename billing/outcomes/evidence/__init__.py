"""Evidence: attesters, signed statements, meter readings and the evidence log."""
