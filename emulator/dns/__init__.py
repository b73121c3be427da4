"""The service names as a zone, and its server."""
