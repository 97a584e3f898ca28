"""The program that runs inside the sandbox, standard library only; the host imports nothing of it but the framing.

In a base image it is the package ``capmart_guest``, so everything in here imports relatively.
"""
