"""A SIP user agent on UDP (RFC 3261): messages, SDP, digest, transactions, dialogs, calls, registrar."""
