"""Tests that boot a real systemd."""
