"""Prints the installed distributions whose files are all there, as JSON: name to version."""

import importlib.metadata
import json
import os
import re

complete: dict[str, str] = {}
for distribution in importlib.metadata.distributions():
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    # pip writes this list last, so a broken-off installation has none.
    files = distribution.files
    if files and all(os.path.exists(str(file.locate())) for file in files if not str(file).endswith(".pyc")):
        complete[name] = distribution.version
print(json.dumps(complete))
