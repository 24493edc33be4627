"""How the embedded language model is made: its phrasings, dialogues, network, export and evaluation.

The package is a build tool. Nothing in `src/her_os` imports it; it needs the `train` dependency group.
"""
