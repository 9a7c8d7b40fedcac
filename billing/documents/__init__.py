"""What people read of a bill: invoices, their lines, calls and breakdowns; JSON, CSV and PDF."""
