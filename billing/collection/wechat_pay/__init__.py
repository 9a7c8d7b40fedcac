"""WeChat Pay (API v3, Native payment): the only package that knows its API."""
