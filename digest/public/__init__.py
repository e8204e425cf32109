"""What anybody may read: the archive, finding in it, the form on other sites."""
