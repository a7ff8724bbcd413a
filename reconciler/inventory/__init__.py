"""Live state as a file that people can keep, write and plan from. Pure."""
