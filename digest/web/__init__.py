"""The readers' door: pages behind the links of a mail, the sign-up form, and a health check."""

from digest.web.application import create_app

__all__ = ["create_app"]
