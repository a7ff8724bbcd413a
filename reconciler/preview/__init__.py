"""What a pull request will do to what runs: the plan of its merge, as values, texts and comments."""
