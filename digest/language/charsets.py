"""The character sets that mails, feeds and pages use. Only these are decoded.

Python decodes much more by name: ``punycode`` takes minutes for half a megabyte, ``unicode_escape`` and ``utf-7`` make
text of what looked harmless. A stranger chooses the name, so the names are listed here (those of the WHATWG Encoding
Standard and what old mail programs write), and nothing else is tried.
"""

from __future__ import annotations

import codecs
import encodings
import re
from encodings import normalize_encoding

_UNICODE = ["ascii", "utf_8", "utf_8_sig", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]
_LATIN = [*(f"iso8859_{part}" for part in range(1, 17) if part != 12), "cp1250", "cp1251", "cp1252"]
_WINDOWS = ["cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "cp932", "cp949", "cp950", "cp936"]
_OLD = ["cp437", "cp850", "cp852", "cp855", "cp858", "cp866", "koi8_r", "koi8_u", "koi8_t", "tis_620", "ptcp154"]
_ASIAN = ["shift_jis", "shift_jis_2004", "shift_jisx0213", "euc_jp", "euc_jis_2004", "euc_jisx0213", "euc_kr", "johab"]
_CHINESE = ["gb2312", "gbk", "gb18030", "big5", "big5hkscs", "hz"]
_SWITCHING = ["iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_jp_ext", "iso2022_kr"]
_MAC = ["mac_roman", "mac_cyrillic", "mac_greek", "mac_iceland", "mac_latin2", "mac_turkish"]
_LISTS = (_UNICODE, _LATIN, _WINDOWS, _OLD, _ASIAN, _CHINESE, _SWITCHING, _MAC)
READ = frozenset(name for names in _LISTS for name in names)
"""Their modules in Python's ``encodings``."""

_NAME_LENGTH = 40
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"'>]{1,200})["']""")
_IN_TYPE = re.compile(r"""charset\s*=\s*["']?\s*([^"';\s]{1,200})""", re.IGNORECASE)


def is_read(name: str) -> bool:
    """Whether text in the character set ``name`` is decoded. An unknown name is not."""
    try:
        return len(name) <= _NAME_LENGTH and _module(name) in READ
    except (LookupError, ValueError, UnicodeError):
        return False


def is_refused(name: str) -> bool:
    """Whether Python would decode ``name`` and we do not. A name that nobody knows is a typing error and not refused:
    it is passed over."""
    if len(name) > _NAME_LENGTH or not name.isascii():
        return False
    known = encodings.search_function(normalize_encoding(name.lower()))  # not lookup, which finds less in a child
    return known is not None and not is_read(name)


def decoded(text: bytes, name: str) -> str:
    """``text`` in the character set ``name``, or else as UTF-8; what is wrong in it replaced."""
    return text.decode(name if is_read(name) else "utf-8", "replace")


def declared_by(body: bytes, content_type: str) -> list[str]:
    """The character sets that a document's server and its XML declaration name."""
    names = [found[1] for found in [_IN_TYPE.search(content_type)] if found]
    return names + [found[1].decode("ascii", "replace") for found in [_DECLARED.match(body[:1000])] if found]


def canonical(codec: str) -> str:
    """The module of a codec by the name it gives itself."""
    return normalize_encoding(codec).lower()


def _module(name: str) -> str:
    """What Python calls it: by the codec's own name, which is the module's with a dash for each underscore."""
    return canonical(codecs.lookup(name).name)
