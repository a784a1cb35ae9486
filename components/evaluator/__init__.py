"""GenerativeEvaluator: scores, gate, blessing and report of image generators and captioners."""
