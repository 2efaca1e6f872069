"""Prints what an interpreter is, as JSON. Read by any Python 3, so nothing newer is used here."""

import importlib.util
import json
import platform
import sys

print(
    json.dumps(
        {
            "version": list(sys.version_info[:3]),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "bits": 64 if sys.maxsize > 2**32 else 32,
            # Debian and Ubuntu ship Python without these two until python3-venv is installed.
            "venv": all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")),
        }
    )
)
