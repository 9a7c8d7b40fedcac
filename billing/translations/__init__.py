"""The message catalog of billing: texts of invoices, notices and suggested fixes."""
