"""Every table of the center: importing this module fills the metadata that migrations are compared with."""

from __future__ import annotations

from sqlmodel import SQLModel

from capmart_registry.accounts import models as accounts
from capmart_registry.artifacts import models as artifacts
from capmart_registry.catalog import models as catalog
from capmart_registry.log import models as log
from capmart_registry.submissions import models as submissions
from capmart_registry.upstreams import models as upstreams

METADATA = SQLModel.metadata
MODULES = (accounts, artifacts, catalog, log, submissions, upstreams)
