"""The only rooms with windows: network, disk and clock. Thin, and each behind a port of `wire`."""
