"""A person's word between the gate and the push."""
