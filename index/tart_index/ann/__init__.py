"""Approximate search structures: derived from the vectors, tuned by measuring, named by what they are made of."""
