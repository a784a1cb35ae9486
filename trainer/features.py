"""Feature keys of a stored example: the only names the components and the trainer share."""

IMAGE = "image"
"""Encoded image (PNG or JPEG), one bytes value."""

VALUE = "value"
"""A single number, one float32 value; in place of an image where there is none."""

LABEL = "label"
"""Class index, one int64 value; absent for data sets without classes."""

CAPTIONS = "captions"
"""Captions of the image, several UTF-8 bytes values; absent for data sets without captions."""

FACTS = "facts"
"""What is known to be true of the image, JSON in one bytes value; only where that is known."""

ID = "id"
"""Stable identity of the example within its data set and split, one UTF-8 bytes value."""

GRID = "grid"
"""What a frozen encoder sees of the image, float16[h,w,C] as one bytes value; only if cached."""

MANIFEST = "manifest.json"
"""File in the root of an Examples artifact: data set, version, counts, data fingerprint."""
