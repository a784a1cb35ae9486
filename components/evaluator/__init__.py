"""GenerativeEvaluator: samples, scores, gate, blessing and report of an image generator."""
