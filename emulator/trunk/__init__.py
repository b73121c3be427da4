"""What Vonage does with a call: the only place where SIP and media meet."""
