"""The platform's pages: all accounts as operators see them, and changes to one account."""
