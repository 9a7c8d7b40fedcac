"""Pure rating functions: prices, plan terms, statements, fees and taxes."""
