"""What a domain publishes about its mail: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) records, judged.

Each function takes the TXT records found under a name and says what is wrong with them, "" if nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def spf_fault(records: Sequence[str]) -> str:
    """What is wrong with the SPF record of the domain that return paths lie in."""
    found = [record for record in records if record.lower().split(" ")[0] == "v=spf1"]
    if not found:
        return "publishes no SPF record"
    if len(found) > 1:
        return "publishes more than one SPF record, so none counts"
    words = found[0].lower().split()
    return "lets the whole world send in its name" if {"all", "+all"} & set(words) else ""


def dkim_fault(records: Sequence[str], wanted: str) -> str:
    """What is wrong with the records of a selector, of which one should say the same as ``wanted``."""
    key = _tags(wanted)["p"]
    found = [tags for record in records if "p" in (tags := _tags(record))]
    if not found:
        return "publishes no key"
    if not any(tags["p"] == key for tags in found):
        return "publishes a key that was revoked" if found[0]["p"] == "" else "publishes another key than ours"
    return ""


def dmarc_fault(records: Sequence[str]) -> str:
    """What is wrong with the DMARC record that holds for the From domain."""
    found = [record for record in records if record.lower().replace(" ", "").startswith("v=dmarc1")]
    if not found:
        return "publishes no DMARC record"
    if len(found) > 1:
        return "publishes more than one DMARC record, so none counts"
    return "" if _tags(found[0]).get("p") else "has a DMARC record without a policy (p=)"


def dmarc_names(domain: str) -> Iterator[str]:
    """Where the DMARC record of a domain can lie: its own name, then those of the domains above it."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        yield f"_dmarc.{'.'.join(labels[start:])}"


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}
