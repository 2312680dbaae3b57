"""Kraken spot: REST and WebSocket v2."""
