"""What every package stands on: settings, clock, errors, database, logs, metrics."""
