"""Lines over an ordered stream (TCP, WebSocket): one thread each that paces what we send, absolute deadlines."""
