"""/v1/fine_tuning: jobs, price quotes, the runner and removal of personal data."""
