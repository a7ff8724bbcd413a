"""Pull requests at their providers: looked at, previewed, told, and remembered."""
