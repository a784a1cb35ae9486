"""Stops a run whose data are not what the data set promises."""
