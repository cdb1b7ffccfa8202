"""The learners: update rules, learned and hand-written, and the agents that follow them."""
