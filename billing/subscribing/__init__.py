"""What an account can buy and how it changes what it has."""
