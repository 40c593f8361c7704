"""Samples by address: servers that speak the OpenAI completions protocol, many at once."""
