"""A small web application: its rules are in ``rules``, its page in ``pages``, and ``server`` puts them on HTTP."""
