"""Asterisk's AudioSocket: a call's sound over TCP. The dialplan says `AudioSocket(UUID,host:port)`."""
