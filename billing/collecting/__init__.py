"""Getting the money: Stripe behind the outbox, its webhooks, and dunning."""
