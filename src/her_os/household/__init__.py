"""What the house remembers: call log, contacts, timers, notes."""
