"""The constant upstream: a model server whose answers and times follow from token counts alone."""
