"""``make demo``: the whole story on the embedded default, by the real commands, judged by the received mails."""
