"""Reports: what an account's pages say of its usage beside invoices."""
