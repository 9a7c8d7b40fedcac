"""Pages on models that an account trains on its own data."""
