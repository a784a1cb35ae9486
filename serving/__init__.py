"""What answers: the embedded model server and its clients; starts without TFX."""
