"""What usage comes to under terms: prices, plans, statement, fees, tax. No clock, no database."""
