"""Rating: prices, plan terms, statements, fees and taxes. Pure functions."""
