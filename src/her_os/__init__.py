"""her-os: a household voice assistant that you phone."""

__version__ = "0.1.0"
