"""How good rules and scores are: level sets, the closing table, aggregates and their intervals."""
