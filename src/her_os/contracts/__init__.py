"""What the daemons promise each other: message types, states, Protocols, one error tree.

Imports the standard library and msgspec only. Everything else in the package may import this.
"""
