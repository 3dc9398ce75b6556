"""Floor 5: the library's front door; `accel_opt/__init__.py` opens it on first use."""
