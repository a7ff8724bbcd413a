"""What the Makefile runs; no part of the distribution."""
