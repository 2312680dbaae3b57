"""The asyncio shells that bring machines, codecs and transports together into a `Session`."""
