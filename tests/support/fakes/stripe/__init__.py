"""A stateful stand-in for Stripe on a real socket; `running` starts it."""
