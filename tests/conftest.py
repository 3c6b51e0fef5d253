"""What all tests share: hypothesis profiles and the fixtures that start real servers and databases."""

import hypothesis

from tests.notebook import draft, notebook  # noqa: F401
from tests.postgres import postgres, postgres_admin_url, postgres_url  # noqa: F401 - fixtures
from tests.sqlite import sqlite_url  # noqa: F401

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.load_profile("default")
