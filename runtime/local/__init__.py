"""One machine: inference servers and the gateway as child processes, and the record of what was executed."""
