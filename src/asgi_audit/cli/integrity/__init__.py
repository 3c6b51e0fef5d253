"""The verbs that seal a trail, verify it, prove a record of it, and take something out of it."""
