"""Settings of the site that `make docs` builds."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path[:0] = [str(DOCS), str(DOCS.parent)]  # package_pages, and the packages of this clone whatever is installed

import groove  # noqa: E402

project = "GROOVE"
author = copyright = "GROOVE maintainers"
version = release = groove.__version__
language = "en-GB"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "package_pages"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"GROOVE {version}"

default_role = "py:obj"  # `name` in a docstring becomes a link where it names something
autodoc_typehints = "none"  # shapes are in the docstrings
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "replace"}  # a method that flax adds to every pytree
autodoc_mock_imports = ["brax", "craftax", "jumanji", "navix", "pgx", "xminigrid"]
napoleon_use_ivar = True
napoleon_attr_annotations = False
