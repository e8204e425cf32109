"""Words of headlines in a comparable form, in any script, and which of them are names.

No grammar beyond a plural's s and no word lists beyond function words: enough to tell whether two texts speak of the
same things, and the same for every language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

_FUNCTION_WORDS = """
    a an and are as at be been but by can could did do does for from had has have he her here hers him his how i if
    in into is it its just may me more most my new no not now of off on once one or our out over own said say says she
    should so some such than that the their them then there these they this those to too up us very was we were what
    when where which who whom why will with would you your after before about amid against
    al algo como con contra cual cuando de del desde donde dos el ella ellas ellos en entre era es esa ese eso esta
    este esto están está fue ha han hasta hay la las le les lo los mas más me mi muy ni no nos o para pero por porque
    que qué quien se sea ser si sido sin sobre son su sus también tras tu un una uno y ya
    da das do dos em é foi mais na nas não nem no nos o os ou pela pelo que quem se sem seu sua são um uma à ao às
    aber alle als am an auch auf aus bei bin bis das dass dem den der des die doch durch ein eine einem einen einer
    eines er es für gegen hat haben hatte ich ihr ihre im in ist ja kann kein keine mehr mit nach nicht noch nun nur
    ob oder ohne sein seine sich sie sind so über um und uns unter vom von vor war was weil wenn wer werden wie will
    wir wird wo zu zum zur
    après au aussi aux avant avec ce ces cette chez comme dans des du elle elles est et eux il ils je leur leurs lui
    mais même ne ont où ou par pas plus pour qu quand qui sa sans ses son sont sous sur une vous
"""
_IGNORED = frozenset(_FUNCTION_WORDS.split())
_PART = 4  # letters of the shortest part of a compound
_ABBREVIATION = re.compile(r"\b(?:[^\W\d_]\.){2,}")


class _Spaces(dict[int, str]):
    """A translation that keeps letters, marks and digits of every script and turns the rest into spaces."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = character if unicodedata.category(character)[0] in "LMN" else " "
        self[code] = kept
        return kept


_SPACES = _Spaces()


def raw_words(text: str) -> list[str]:
    """The words of a text as written, without punctuation."""
    joined = (
        text if text.count(".") < 2 else _ABBREVIATION.sub(lambda match: match.group().replace(".", "") + " ", text)
    )  # U.S. -> US
    return joined.translate(_SPACES).split()


def comparable(raw: Iterable[str]) -> list[str]:
    """Those of some words that say something, in a common form."""
    return [form for word in raw for form in _forms(word)]


@lru_cache(1 << 16)
def _forms(raw: str) -> tuple[str, ...]:
    """The comparable form of a word; none for function words; pairs of characters where a script has no spaces."""
    if len(raw) == 2 and raw.isupper():
        return (raw,)  # US is not "us"
    word = raw.casefold()
    if "\u3040" <= word[0] <= "\u9fff":
        return (word,) if len(word) < 3 else tuple(word[i : i + 2] for i in range(len(word) - 1))
    if word in _IGNORED or (len(word) == 1 and not word.isdigit()):
        return ()
    return (_stem(word),)


def _stem(word: str) -> str:
    """Without a plural's s, and a people's name as its country's (Korean, Iraqi): all the grammar needed here."""
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    people = (len(word) > 5 and word.endswith("an")) or (len(word) > 4 and word.endswith("i"))
    return word[:-1] if people else word


def heads(vocabulary: Collection[str]) -> dict[str, str]:
    """The compounds among some words, with the word each ends in, if that is one of them: wildfire is a fire,
    Zugunglück an Unglück."""
    found = {}
    for word in vocabulary:
        ends = (word[cut:] for cut in range(_PART, len(word) - _PART + 1))
        head = next((end for end in ends if end in vocabulary), None)
        if head:
            found[word] = head
    return found


def cases(raw: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a text that stand with a capital where grammar asks for none, inside a sentence, and those that
    stand without one. Of a text in headline case neither: it says nothing."""
    upper = [word for word in raw[1:] if word[0].isupper()]
    if 2 * len(upper) > len(raw):
        return [], []
    return comparable(upper), comparable(word for word in raw if not word[0].isupper())


def names(capital: Iterable[str], small: Iterable[str]) -> frozenset[str]:
    """The words that are names, going by how all texts together write them. German capitalises every noun, which then
    all count as names: the words an event is made of, all the same."""
    often = Counter(small)
    return frozenset(word for word, count in Counter(capital).items() if count > often[word])
