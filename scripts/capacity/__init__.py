"""Scripted engines of known delay, behind the real daemons and wires, to see what the rest of her-os can carry."""
