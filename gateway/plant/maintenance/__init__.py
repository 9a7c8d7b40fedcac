"""Maintenance tables as parts of the plant model: FMEA and work orders, from CSV and Excel."""
