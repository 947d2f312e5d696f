"""``verbwire doctor``: what is wrong with a deployment, and what to do; one file for each thing that is looked at.

`examination` runs them all, `diagnosis` is what each of them yields. Read `examination` first.
"""
