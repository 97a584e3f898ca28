"""``python -m capmart_guest connect PATH``: see :mod:`.main`."""

import sys

from .main import main

main(sys.argv[1:])
