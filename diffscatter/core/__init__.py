"""Conventions and numerics that every other package shares. Imports nothing of ours."""
