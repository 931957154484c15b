"""Hits, under the name that 1.x programs import."""

from __future__ import annotations

from ..hits import Event, EventCategory, Hit, HitType, Item, Page, Screen, Transaction

__all__ = ["Event", "EventCategory", "Hit", "HitType", "Item", "Page", "Screen", "Transaction"]
