"""What people are told: alerts and reminders, by e-mail and signed webhook."""
