"""The bots that every drill can show side by side: one strategy, three clients."""
