"""Deliveries of Git providers, turned into hints. Pure: bytes, secrets and the time come in, values go out.

The HTTP part is :mod:`reconciler.web.webhook`. A hint says where to look and is believed no further:
the ref that is then read is the truth, so a forged, repeated, late or lost delivery changes nothing.
"""
