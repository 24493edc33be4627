"""Lines a caller arrives on."""
