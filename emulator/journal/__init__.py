"""What happened: calls, events, findings."""
