"""A stateful fake Stripe on a real socket; started by `running`."""
