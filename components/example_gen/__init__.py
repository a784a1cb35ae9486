"""Brings a TFDS data set into the pipeline as sharded tf.Examples."""
