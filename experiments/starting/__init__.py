"""From a folder to an experiment: what is in it, what is taken for what, and a TOML file that says so.

``names`` knows what columns are called, ``survey`` looks at files, ``tables`` tells what each table has,
``ratings`` and ``plan`` choose among them, ``facts`` opens what was chosen, ``sizes`` fits settings to it,
``toml`` writes, and ``start`` is all of these in order.
"""
