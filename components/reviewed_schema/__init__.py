"""Brings the reviewed schema of a data set into the pipeline."""
