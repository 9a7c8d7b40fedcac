"""A handbook of maintenance and production knowledge in English and Chinese, to answer from."""
