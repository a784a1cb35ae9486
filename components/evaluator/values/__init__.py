"""The evaluator's half for single numbers: the same gate and blessing, other evidence."""
