"""A Postfix of our own: Debian's package, unpacked and not installed, that takes mail for ``x.example`` on loopback
into a Maildir, refuses the readers it is told to, and can send nothing on: it has no transport to do so."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.provide import unpacked_postfix

_OWNER, _DELIVERER, _GROUP = "mail", "nobody", "games"  # any will do that Debian has; no two may be the same
_MAIN = """
compatibility_level = 3.6
config_directory = {folder}
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {package}/usr/sbin
daemon_directory = {package}/usr/lib/postfix/sbin
shlib_directory = {package}/usr/lib/postfix
meta_directory = {package}/etc/postfix
import_environment = MAIL_CONFIG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
mail_owner = {owner}
setgid_group = {group}
default_privs = {deliverer}
myhostname = postfix.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
mydestination =
alias_maps =
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
notify_classes =
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = x.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = regexp:{folder}/readers
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 discard
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
flush unix n - n - 0 flush
postlog unix-dgram n - n - 1 postlogd
"""
_QUEUES = "active bounce corrupt defer deferred flush hold incoming private saved trace public maildrop pid"


class MissingError(Exception):
    """There is no Postfix to be had here, and why."""


@dataclass(frozen=True)
class Postfix:
    """How it is set up: ``refused`` is a regular expression of the readers it does not know."""

    folder: Path
    port: int
    refused: str

    @property
    def inbox(self) -> Path:
        return self.folder / "mail" / "inbox" / "new"

    def start(self) -> subprocess.Popen[bytes]:
        """Set it up and start it; SIGTERM ends it with all its processes. Raises ``MissingError``."""
        if os.getuid() != 0:
            raise MissingError("Postfix runs as root only")
        missing: list[str] = []
        package, environment = unpacked_postfix(missing)
        if not package:
            raise MissingError(missing[0])
        self._set_up(package)
        command = [str(package / "usr/lib/postfix/sbin/master"), "-d", "-c", str(self.folder)]
        return subprocess.Popen(command, env=environment, start_new_session=True)

    def _set_up(self, package: Path) -> None:
        user = pwd.getpwnam(_DELIVERER)
        names = {"owner": _OWNER, "deliverer": _DELIVERER, "group": _GROUP, "uid": user.pw_uid, "gid": user.pw_gid}
        (self.folder / "main.cf").write_text(_MAIN.format(folder=self.folder, package=package, **names))
        (self.folder / "master.cf").write_text(_MASTER.format(port=self.port))
        (self.folder / "readers").write_text(f"!/{self.refused}/ inbox/\n")
        self._folder("queue", "root", 0o755)
        for name in _QUEUES.split():
            self._folder(f"queue/{name}", _OWNER, 0o700)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            (self.folder / "queue" / name).chmod(mode)
            shutil.chown(self.folder / "queue" / name, group=_GROUP)
        self._folder("queue/pid", "root", 0o755)
        self._folder("data", _OWNER, 0o700)
        self._folder("mail", _DELIVERER, 0o755)
        self.folder.chmod(0o755)

    def _folder(self, name: str, owner: str, mode: int) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name).chmod(mode)
        shutil.chown(self.folder / name, owner)

    def said(self) -> str:
        """Its log so far."""
        log = self.folder / "mail.log"
        return log.read_text() if log.exists() else ""

    def connected(self) -> int:
        """How many clients have come and not left yet, by its own log."""
        said = self.said()
        return len(re.findall(r": connect from", said)) - len(re.findall(r": disconnect from", said))

    def commands(self) -> Counter[str]:
        """How often clients that have left gave each command, by its own count."""
        counted: Counter[str] = Counter()
        for line in self.said().splitlines():
            if "disconnect from" in line:
                for name, count in re.findall(r"(\w+)=\d*/?(\d+)", line):
                    counted[name] += int(count)
        return counted
