"""Errors a person caused or can mend. Each is one line that says what is wrong, where, and what to do.

::

    DigestError            exit 1   anything below; the CLI prints it without a traceback
    ├── InputError         exit 65  a file, address or value given is malformed        (EX_DATAERR)
    ├── NotFoundError      exit 66  a named edition, feed, issue … does not exist      (EX_NOINPUT)
    ├── UnavailableError   exit 69  database, broker, SMTP or HTTP server out of reach (EX_UNAVAILABLE)
    ├── StateError         exit 75  not possible in the present state; try later       (EX_TEMPFAIL)
    └── ConfigError        exit 78  settings are wrong; all faults at once             (EX_CONFIG)

Exit codes are those of sysexits.h, which mail software has used since sendmail. A programming error is never a
``DigestError``: it keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class DigestError(Exception):
    """Something a person can mend. ``message`` says what and where; ``hint`` says what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class InputError(DigestError):
    """A file, address or value that was given is malformed.

    Of what readers can give, ``fault`` names the words in which the pages tell it in their language, ``fault.<name>``
    in the strings, and ``typed`` is what they gave."""

    exit_code = 65

    def __init__(self, message: str, hint: str = "", *, fault: str = "other", typed: str = "") -> None:
        super().__init__(message, hint)
        self.fault = fault
        self.typed = typed


class NotFoundError(DigestError):
    """A named thing does not exist in the store or on disk."""

    exit_code = 66


class UnavailableError(DigestError):
    """A server or database that is needed does not answer."""

    exit_code = 69


class StateError(DigestError):
    """The request is well-formed but not possible in the present state."""

    exit_code = 75


class ConfigError(DigestError):
    """The settings are wrong. ``faults`` holds every one of them, so that they can be mended in one go."""

    exit_code = 78

    def __init__(self, where: str, faults: Sequence[str], hint: str = "") -> None:
        self.where = where
        self.faults = tuple(faults)
        super().__init__(f"{where}: " + "; ".join(self.faults), hint)
