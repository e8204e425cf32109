"""Benchmarks: ``make bench``, or ``python -m bench --help``. Everything runs on 127.0.0.1 and is ended by its pid."""
