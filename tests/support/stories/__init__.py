"""The vocabulary of billing stories: firms, plans, usage and a calendar that tests move."""
