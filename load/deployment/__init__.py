"""Deploy the whole service with accounts for a load test, and stop it afterwards."""
