"""Finished recordings become transcripts and summaries."""
