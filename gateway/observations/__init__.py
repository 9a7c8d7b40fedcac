"""Observed results of predictions of own models: store, report, alert on broken promises."""
