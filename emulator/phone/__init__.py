"""The product's own small phone: a stranger to the trunk that speaks SIP and RTP by the same parts."""
