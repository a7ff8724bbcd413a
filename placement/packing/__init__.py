"""The policy `pack`: place as many models as possible, on few server replicas. Pure."""
