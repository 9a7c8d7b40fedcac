"""Bank statements: lines are read, matched to open invoices, and confirmed as payments."""
