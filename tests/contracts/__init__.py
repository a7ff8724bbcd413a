"""Facts that every implementation of a protocol has to show."""
