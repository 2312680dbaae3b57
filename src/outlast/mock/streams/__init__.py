"""The mock's sockets: connections, subscriptions, stream faults, and one book for everybody."""
