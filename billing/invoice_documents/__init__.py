"""The immutable invoice document and its text, breakdown and export."""
