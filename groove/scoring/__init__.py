"""What rules and scores are worth: level sets, the closing table, aggregates and their intervals."""
