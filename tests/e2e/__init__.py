"""Spoken calls through real processes: `her-os run`, our test phone, flite's voices as callers."""
