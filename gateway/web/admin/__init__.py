"""The admin listener, which is never exposed: `GET /livez` and `GET /readyz`, for the system that runs the process."""
