"""What a long command will take: a survey of its corpus, and a plan of time, memory and disk."""
