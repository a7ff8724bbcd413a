"""From desired and live to a plan, and from a plan to ordered steps. Pure."""
