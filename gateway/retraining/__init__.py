"""Scheduled retraining of own models: schedules with a monthly budget, runs, and their outcome."""
