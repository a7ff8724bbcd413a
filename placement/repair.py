"""Repair."""
from placement.bins import Packing
from placement.construct import fill


def repair(packing: Packing, limit: int) -> None:
    """Nothing yet."""
    fill(packing)
