"""Stand-ins that satisfy the same protocols as the real parts, and pass the same contract tests."""
