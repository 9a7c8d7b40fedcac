"""Tag lists (CSV and Excel) read into a plant model, and written from one."""
