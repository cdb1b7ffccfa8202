"""Speed measurements, compared but never asserted (`make bench`), and the code that fills the README's tables."""
