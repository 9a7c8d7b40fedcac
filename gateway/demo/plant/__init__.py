"""The plant of the machining firm: model, readings with an anomaly, a verdict, item history."""
