"""The guest: what runs inside a box and stands between its calls and the host.

Standard library only. The folder is copied into the base image as the package ``capmart_guest``, so its modules import
each other relatively and nothing else of Capmart but ``capmart_component``.
"""
