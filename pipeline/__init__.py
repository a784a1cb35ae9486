"""What runs: recipes, typed configuration, the wiring, runners and the command line."""
