"""SDP, RTP and RTCP; knows nothing of SIP."""
