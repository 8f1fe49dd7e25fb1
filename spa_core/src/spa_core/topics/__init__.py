"""
Topics, filters and templates: what they may look like and which of them match; pure, no broker in sight.

A *topic* names where one message goes. A *filter* selects topics with the wildcards ``+`` (one level) and ``#`` (the
rest). A *template* is a filter that names levels: ``plants/{plant}/flow``. ``/`` separates levels, and the rules are
those of MQTT on every transport.
"""

from __future__ import annotations

from spa_core.topics._matching import matches
from spa_core.topics._template import TopicTemplate
from spa_core.topics._trie import TopicTrie
from spa_core.topics._validation import validate_filter, validate_topic

__all__ = ["TopicTemplate", "TopicTrie", "matches", "validate_filter", "validate_topic"]
