"""The platform's pages: what its operators see of all accounts, and change about one."""
