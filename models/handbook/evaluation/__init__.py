"""Questions to measure answers from the handbook and from a customer's documents."""
