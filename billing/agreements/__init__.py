"""What holds for an account, and when: plans, subscriptions, periods and what each counts."""
