"""Composition roots, each short: the only place that names a concrete engine, client or line."""
