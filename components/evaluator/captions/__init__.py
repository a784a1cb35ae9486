"""The evaluator's captioning half: the same gate and blessing, other evidence."""
