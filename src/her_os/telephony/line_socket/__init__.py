"""A call over the line WebSocket (contracts.line_socket); the socket itself is the daemon's."""
