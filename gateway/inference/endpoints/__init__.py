"""The metered endpoints: one module with one entry each, and the table that lists them."""
