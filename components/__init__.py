"""Our own TFX components and the data sets they read."""
