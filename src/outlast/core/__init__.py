"""The machines: synchronous, told the time, without I/O. Each file is one decision."""
