"""How a list of readers is read: which of its columns hold what, and how a row tells whether its reader may be mailed.

A plan is made from the header alone, before any row is read: ``plan`` refuses what it can't be sure of. ``unknown``
finds the values that tell a state in words nobody knows, so that a file is refused before anything of it is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from digest.errors import InputError
from digest.readers.exports import cells
from digest.readers.exports.products import PRODUCTS, Export
from digest.readers.exports.standing import STATES, Sign, Standing, plain, sign_of, worst
from digest.settings import FieldType
from digest.tables import Row
from digest.values import Rejected

CSV = "csv"
"""A list of no product we know."""
PROOF, IP = "proof of consent", "ip of consent"
"""Where a row in our words tells when and from where its reader agreed: no column has a name with blanks."""
IGNORED = "-"
"""The target that passes a column over."""

_ALIASES: Mapping[str, str] = {
    "address": "email e_mail mail email_address e_mail_address mail_address e_mail_adresse email_adresse correo "
    "correo_electronico courriel adresse_e_mail adresse_email subscriber_email user_email email_id address",
    "name": "name full_name fullname display_name",
    "first_name": "first_name firstname fname given_name forename vorname prenom nombre nome",
    "middle_name": "middle_name",
    "last_name": "last_name lastname lname surname family_name nachname familienname nom apellido apellidos cognome "
    "sobrenome",
    "consent_at": "consent_at optin_time opt_in_time optin_date opt_in_date opted_in_at opted_in_on subscribed_at "
    "subscribe_date subscription_date date_subscribed subscribed_on signup_date sign_up_date signed_up signed_up_at "
    "created_at created created_on date_added date_created subscriber_since",
    "consent_ip": "consent_ip optin_ip opt_in_ip signup_ip sign_up_ip subscribe_ip ip_address ip ip_signup",
    "confirmed_at": "confirmed_at confirm_time confirmation_time confirmation_date confirmed_on date_confirmed "
    "verified_at",
    "confirmed_ip": "confirmed_ip confirm_ip confirmation_ip",
    "tags": "tags tag labels groups",
    "attributes": "attributes attribs metadata",
}
_OURS_OF = {theirs: ours for ours, listed in _ALIASES.items() for theirs in listed.split()}
_CHOICES = ("locale", "time_zone", "cadence", "sections", "hour", "days")
_NOTES = ("reason",)  # a column of our own files of rejected lines
TARGETS = (*_ALIASES, "state", *_CHOICES)
"""What a column can be mapped to, beside the operator's own fields and ``-``."""

_MAX_TOLD = 8  # values that are not understood
_MAX_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read the rows of one file. ``title`` names the product, "" for none. ``columns``: whose first filled one
    holds what, by our names. ``signs``: the columns of which the first filled one tells a state, and how.
    ``always``: what holds for everybody in the file. ``unused``: the columns that are passed over.

    ``as_is``: the rows are in our own words already.
    """

    title: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    signs: tuple[tuple[tuple[str, ...], Sign], ...] = ()
    silent: Standing = Standing.ACTIVE
    always: tuple[Standing, ...] = ()
    unused: tuple[str, ...] = ()
    declared: Mapping[str, FieldType] = field(default_factory=dict)
    as_is: bool = False

    def rows(self, records: Iterable[Row | Rejected]) -> Iterator[Row | Rejected]:
        """The records in our words: ``state`` is a ``Standing``, ``PROOF`` and ``IP`` tell of the consent. A row whose
        state is not understood is rejected."""
        return iter(records) if self.as_is else map(self._row, records)

    def _row(self, row: Row | Rejected) -> Row | Rejected:
        if isinstance(row, Rejected):
            return row
        try:
            standing = self.standing(row.values)
        except InputError as error:
            return row.rejected(str(error))
        said = {name: _first(row.values, columns) for name, columns in self.columns.items()}
        values = self._own_fields(said) | {name: said[name] for name in ("address", *_CHOICES) if said.get(name)}
        values["name"] = said.get("name") or cells.full_name(said)
        values["state"] = standing.value
        values[PROOF], values[IP] = cells.proof(said)
        return Row(row.line, values, row.raw)

    def standing(self, values: Mapping[str, str]) -> Standing:
        """What a row's columns come to. Raises ``InputError`` for a value that is not understood."""
        said = list(self.always)
        for columns, sign in self.signs:
            column, value = next(((name, values[name]) for name in columns if values[name]), (columns[0], ""))
            try:
                found = sign.says(value)
            except LookupError:
                raise InputError(
                    f"{column} {value[:60]!r} is not understood", f"say what it means: {_example(column, value)}"
                ) from None
            if found:
                said.append(found)
        return worst(said) if said else self.silent

    def unknown(self, records: Iterable[Row | Rejected]) -> None:
        """Raises ``InputError`` if a row tells a state in a word that is not understood: each with how often and where
        first, and how to say what it means."""
        times, first = Counter[tuple[str, str]](), dict[tuple[str, str], int]()
        for row in records:
            if isinstance(row, Row):
                for found in self._strange(row.values):
                    times[found] += 1
                    first.setdefault(found, row.line)
                if len(times) >= _MAX_KEPT:
                    break
        if not times:
            return
        told = [
            f"{column} {value[:60]!r} (line {first[column, value]}{f' and {number - 1} more' if number > 1 else ''})"
            for (column, value), number in times.most_common(_MAX_TOLD)
        ]
        more = f" and {len(times) - _MAX_TOLD} others" if len(times) > _MAX_TOLD else ""
        column, value = next(iter(first))
        raise InputError(
            f"these values seem to tell who may be mailed, and are not understood: {', '.join(told)}{more}",
            f"say what each means, such as {_example(column, value)} (or {', '.join(list(Standing)[1:])}), or that the "
            f"column means nothing of the kind: --map '{column}={IGNORED}'; nothing was imported",
        )

    def _strange(self, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for columns, sign in self.signs:
            column, value = next(((name, values[name]) for name in columns if values[name]), (columns[0], ""))
            try:
                sign.says(value)
            except LookupError:
                yield column, value

    def _own_fields(self, said: Mapping[str, str]) -> dict[str, Any]:
        """The operator's own fields: from columns of their names, else from attributes and tags."""
        if not self.declared:
            return {}
        found = dict[str, Any]()
        if text := said.get("attributes"):
            found |= {
                plain(name): word for name, value in cells.attributes(text).items() if (word := cells.word(value))
            }
        tags = cells.tags(said.get("tags", ""))
        marks = {plain(tag): tag for tag in tags}
        for name, kind in self.declared.items():
            if name == "tags" and tags:
                found[name] = ", ".join(tags)
            elif said.get(f"fields.{name}"):
                found[name] = said[f"fields.{name}"]
            elif kind is FieldType.YES_NO and name in marks:
                found[name] = "yes"
        return {name: found[name] for name in self.declared if name in found}


# ---------------------------------------------------------------------------------------------- planning


def product_of(columns: Iterable[str]) -> str:
    """Whose export has these columns, ``csv`` if it is nobody's. Raises ``InputError`` where several come into
    question."""
    there = {plain(name) for name in columns}
    found = [name for name, one in PRODUCTS.items() if any(set(mark.split()) <= there for mark in one.marks)]
    if len(found) > 1:
        hint = f"say which: --from {' or --from '.join(found)}"
        raise InputError(f"this could be an export of {' or '.join(PRODUCTS[name].title for name in found)}", hint)
    return found[0] if found else CSV


def plan(
    columns: Sequence[str],
    declared: Mapping[str, FieldType] = MappingProxyType({}),
    *,
    product: str = "",
    names: Mapping[str, str] = MappingProxyType({}),
    meanings: Mapping[tuple[str, str], str] = MappingProxyType({}),
    file: str = "",
) -> Plan:
    """How to read a file with these ``columns``. ``product`` as ``--from`` has it, "": told by the columns. ``names``:
    our targets by their columns. ``meanings``: standings by column and value.

    Raises ``InputError`` when a column, target or standing that is named does not exist, no column holds addresses, or
    the product's column of states is missing.
    """
    product = product or product_of(columns)
    if product not in (CSV, *PRODUCTS):
        raise InputError(f"--from {product} is not a known product", f"there are {', '.join((*PRODUCTS, CSV))}")
    export = PRODUCTS.get(product)
    mapped = _mapped(columns, names, declared)
    wanted = _meanings(columns, meanings)
    held = _with_address(_held(columns, mapped, declared, export), columns)
    signs = list(_signs(columns, mapped, wanted, export))
    told = {name for there, _ in signs for name in there}
    looked_for = [name for listed, _ in export.signs for name in listed.split()] if export else []
    if export and not set(looked_for) & set(map(plain, told)):
        looked = ", ".join(looked_for)
        hint = f"export it with its states ({looked}), or read it as any list: --from {CSV}"
        raise InputError(f"this is no export of {export.title} that tells who may be mailed", hint)
    used = {name for there in held.values() for name in there} | told
    always = [state for start, state in export.files.items() if file.lower().startswith(start)] if export else []
    return Plan(
        title=export.title if export else "",
        columns=held,
        signs=tuple(signs),
        silent=export.silent if export else Standing.ACTIVE,
        always=tuple(always),
        unused=tuple(name for name in columns if name and name not in used and name not in _NOTES),
        declared=declared,
        as_is=not (export or mapped or wanted or always) and _in_our_words(held, told, declared),
    )


def address_columns(columns: Sequence[str], names: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """The columns of which the first filled one is a row's address. ``names`` as in ``plan``. Raises ``InputError``."""
    mapped = _mapped(columns, names, {})
    for theirs, ours in mapped.items():
        if ours not in {"address", IGNORED}:
            raise InputError(f"--map {theirs}={ours}: only the address is read", "map a column to address")
    return _with_address(_held(columns, mapped, {}, None), columns)["address"]


def _mapped(columns: Sequence[str], names: Mapping[str, str], declared: Mapping[str, FieldType]) -> dict[str, str]:
    """Our target of each column that ``--map`` names."""
    there = {plain(name): name for name in columns}
    lost = [name for name in names if plain(name) not in there]
    if lost:
        raise InputError(f"the header has no column {', '.join(lost)}", f"its columns are {', '.join(columns)}")
    found = dict[str, str]()
    for theirs, target in names.items():
        ours = IGNORED if target.strip() == IGNORED else plain(target)
        ours = _OURS_OF.get(ours, ours) if ours not in declared else f"fields.{ours}"
        if ours not in (*TARGETS, IGNORED) and not ours.startswith("fields."):
            known = ", ".join((*TARGETS, *declared))
            hint = f"there are {known}; {IGNORED} passes a column over, and [fields] in the configuration has your own"
            raise InputError(f"--map {theirs}={target}: there is no {target}", hint)
        if ours != IGNORED and ours in found.values():
            raise InputError(f"--map names {ours} twice", "one column holds it")
        found[there[plain(theirs)]] = ours
    return found


def _meanings(columns: Sequence[str], meanings: Mapping[tuple[str, str], str]) -> dict[str, dict[str, Standing]]:
    """The standings of values, by column, that ``--map-value`` names."""
    there = {plain(name): name for name in columns}
    found = dict[str, dict[str, Standing]]()
    for (column, value), standing in meanings.items():
        if plain(column) not in there:
            hint = f"its columns are {', '.join(columns)}"
            raise InputError(f"--map-value {column}.{value}: the header has no column {column}", hint)
        if standing.strip().lower() not in list(Standing):
            raise InputError(
                f"--map-value {column}.{value}={standing}: no state {standing!r}", f"there are {', '.join(Standing)}"
            )
        found.setdefault(there[plain(column)], {})[plain(value)] = Standing(standing.strip().lower())
    return found


def _held(
    columns: Sequence[str], mapped: Mapping[str, str], declared: Mapping[str, FieldType], export: Export | None
) -> dict[str, tuple[str, ...]]:
    """Which columns hold what, those named by ``--map`` alone where there are any."""
    found, chosen = dict[str, list[str]](), set(mapped.values())
    for name in columns:
        if name in mapped:
            if mapped[name] != IGNORED:
                found.setdefault(mapped[name], []).append(name)
            continue
        bare = plain(name)
        if export:
            target = export.columns.get(bare, "")
        else:
            target = bare if bare in _CHOICES else _OURS_OF.get(bare, "")
        if target and target not in chosen:
            found.setdefault(target, []).append(name)
        own = bare.removeprefix(export.prefix) if export else bare
        if own in declared and f"fields.{own}" not in chosen and not _about_state(bare, export):
            found.setdefault(f"fields.{own}", []).append(name)
    order = list(_OURS_OF)
    return {
        ours: tuple(sorted(there, key=lambda name: order.index(plain(name)) if plain(name) in order else 0))
        for ours, there in found.items()
        if ours != "state"
    }


def _with_address(held: dict[str, tuple[str, ...]], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if "address" not in held:
        advice = "say which holds the addresses, such as --map 'Contact=address'"
        raise InputError("the header lacks address or email", f"its columns are {', '.join(columns)}; {advice}")
    return held


def _about_state(bare: str, export: Export | None) -> bool:
    if export and any(bare in listed.split() for listed, _ in export.signs):
        return True
    return bare not in (export.harmless.split() if export else ()) and sign_of(bare) is not None


def _signs(
    columns: Sequence[str],
    mapped: Mapping[str, str],
    wanted: Mapping[str, Mapping[str, Standing]],
    export: Export | None,
) -> Iterator[tuple[tuple[str, ...], Sign]]:
    """Every column that tells a state, and how."""
    there = [(plain(name), name) for name in columns if name and mapped.get(name, "state") == "state"]
    done = set[str]()
    for listed, sign in export.signs if export else ():
        found = tuple(name for each in listed.split() for bare, name in there if bare == each)
        if found:
            more = {value: state for name in found for value, state in wanted.get(name, {}).items()}
            yield found, _with(sign, more)
            done.update(found)
    harmless = {*export.harmless.split(), *export.columns} if export else set()
    for bare, name in there:
        if name in done:
            continue
        chosen = mapped.get(name) == "state"
        known = STATES if chosen and bare != "state" else sign_of(bare)
        if name in wanted:
            yield (name,), _with(known or Sign(), wanted[name])
        elif known and (chosen or bare not in harmless):
            yield (name,), known


def _with(sign: Sign, more: Mapping[str, Standing]) -> Sign:
    if not more:
        return sign
    return Sign({**sign.values, **more}, sign.blank, sign.dated, sign.other, sign.silent - more.keys())


def _in_our_words(held: Mapping[str, tuple[str, ...]], told: set[str], declared: Mapping[str, FieldType]) -> bool:
    own = {"name", *_CHOICES, *(f"fields.{name}" for name in declared)}
    same = all(there == (ours.removeprefix("fields."),) for ours, there in held.items() if ours in own)
    return same and held.keys() <= own | {"address"} and held["address"] in {("address",), ("email",)} and not told


# ---------------------------------------------------------------------------------------------- reading


def _first(values: Mapping[str, str], columns: Sequence[str]) -> str:
    return next(filter(None, (values[name] for name in columns)), "")


def _example(column: str, value: str) -> str:
    return f"--map-value '{column}.{value[:60]}=active'"
