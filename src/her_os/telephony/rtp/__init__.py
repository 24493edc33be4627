"""RTP media: a thread of its own with absolute deadlines."""
