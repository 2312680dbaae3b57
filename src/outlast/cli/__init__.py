"""The command `outlast`. Each file is one command."""
