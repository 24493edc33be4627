"""One fake for each Protocol of the contracts."""
