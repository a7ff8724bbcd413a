"""The serving room: inference servers, their environments, model repositories, artifacts."""
