"""ServingCheck: serve a candidate for a moment and ask it real requests before it is pushed."""
