"""Why a model is, or is not, where its manifest wants it, and what would help. Pure."""
