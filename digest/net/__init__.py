"""The network beside SMTP: fetching from the web, asking name servers, reading mailboxes."""
