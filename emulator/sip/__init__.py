"""RFC 3261 and friends; knows nothing of Vonage."""
