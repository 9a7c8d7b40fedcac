"""Alerts and reminders to customers by e-mail and signed webhook."""
