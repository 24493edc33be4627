"""The preflight: nine gates, one module each, between a machine and a first good call."""
