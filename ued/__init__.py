"""The curriculum: which levels train the rule. A level is an opaque pytree here."""
