"""The files that a transcript becomes: one module a format, each a pure function from transcript to text."""
