"""Training of anomaly detectors, whose files are hours of normal operation or a table."""
