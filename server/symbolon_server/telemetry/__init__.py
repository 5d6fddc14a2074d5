"""Metrics declared once, and logs."""
