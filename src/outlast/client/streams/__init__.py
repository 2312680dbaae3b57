"""Connections that are kept up, and what is subscribed on them."""
