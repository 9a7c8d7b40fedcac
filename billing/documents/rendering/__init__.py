"""How invoice documents look: CSV for spreadsheets, PDF for people."""
