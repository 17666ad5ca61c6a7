"""The algorithm: modules by the words that their docstrings share with a sentence.

A word counts the more the fewer modules have it, and each module's words are held against how
many it has, so that long docstrings do not win by length.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

_COMMON = set(
    "a an and are as at be by for from if in is it not of on or that the this to with".split()  # noqa: SIM905
)


def words(text: str) -> list[str]:
    """The telling words of a text, in lower case, without a plural's s."""
    found = re.findall(r"[a-z]{2,}", text.lower())
    return [word.removesuffix("s") for word in found if word not in _COMMON]


class Finder:
    """Finds modules; `texts` are what is known of each, by name."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        counts = {name: Counter(words(text)) for name, text in texts.items()}
        spread = Counter(word for each in counts.values() for word in each)
        total = len(counts)
        self._weight = {word: math.log(total / number) + 1 for word, number in spread.items()}
        self._modules = {name: self._scaled(each) for name, each in counts.items()}

    def find(self, sentence: str, most: int = 3) -> list[str]:
        """The names of the modules that fit best, the best first; none without a known word."""
        asked = self._scaled(Counter(words(sentence)))
        scores = {
            name: sum(weight * known.get(word, 0) for word, weight in asked.items())
            for name, known in self._modules.items()
        }
        ranked = sorted((name for name in scores if scores[name]), key=lambda n: (-scores[n], n))
        return ranked[:most]

    def _scaled(self, counts: Counter[str]) -> dict[str, float]:
        made = {
            word: (1 + math.log(number)) * self._weight[word]
            for word, number in counts.items()
            if word in self._weight
        }
        length = math.sqrt(sum(weight * weight for weight in made.values()))
        return {word: weight / length for word, weight in made.items()}
