"""``python -m capmart_guest SOCKET``: connect to the host and serve it until it goes away."""

import sys

from .zygote import main

main(sys.argv[1])
