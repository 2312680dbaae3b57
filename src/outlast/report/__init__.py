"""What happened, from a journal, for the people who have to explain it the next morning."""
