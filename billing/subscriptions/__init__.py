"""Plans, subscriptions, billing periods and usage totals."""
