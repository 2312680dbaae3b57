"""Drills: bots run through an outage, against the mock, judged by the mock's own truth."""
