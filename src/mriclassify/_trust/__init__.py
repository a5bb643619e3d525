"""When to believe an answer: what is familiar, what is sure enough, and what holds at a new site."""
