"""Runs a frozen image encoder once over all examples."""
