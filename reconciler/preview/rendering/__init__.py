"""A preview as people read it: Markdown for comments, a page, and what both share with the terminal. Pure."""
