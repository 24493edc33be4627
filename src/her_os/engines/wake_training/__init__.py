"""Makes a head for a wake word from synthetic voices, offline: `her-os wake train`."""
