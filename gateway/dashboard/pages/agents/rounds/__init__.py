"""Pages of inspection rounds: list, report, and the form that is answered on a phone."""
