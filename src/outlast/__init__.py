"""Trading bots that outlast their exchange's outages."""
