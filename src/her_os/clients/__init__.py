"""How one daemon reaches another."""
