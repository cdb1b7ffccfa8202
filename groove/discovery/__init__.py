"""One generation: candidates, their agents' lives, antagonists, and what the search learns from them."""
