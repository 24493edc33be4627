"""What every daemon shares: lifecycle, readiness, notification, health and metrics, auth, logging."""
