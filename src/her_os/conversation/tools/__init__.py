"""Tools the language model may call, with arguments validated in code."""
