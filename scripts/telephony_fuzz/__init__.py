"""Parts of `scripts/fuzz_telephony.py`: noise, the parsers it is thrown at, and a live call that must not mind."""
