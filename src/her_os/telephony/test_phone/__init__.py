"""Our own test phone: places real SIP calls, speaks and listens by script, and measures on the wire."""
