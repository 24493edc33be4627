"""Puts her-os on a machine as a set of systemd units, and takes it away again."""
