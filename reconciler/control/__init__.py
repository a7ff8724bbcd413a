"""The controller: its state machine, the works it starts, and what people may tell it."""
