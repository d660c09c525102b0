"""Wheels of what is installed here, so that tests can pip install it where no index is reached."""

import zipfile
from importlib.metadata import distribution

PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")  # what a repository's pytest needs


def of_installed(folder, names=PYTEST):
    """The settings under which pip installs these packages, and no others, as they are installed here."""
    for name in names:
        found = distribution(name)
        files = [file for file in found.files if ".." not in file.parts and file.suffix != ".pyc"]
        wheel = folder / f"{name}-{found.version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file in files:
                if file.name not in ("INSTALLER", "REQUESTED", "direct_url.json"):
                    archive.write(file.locate(), str(file))
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}
