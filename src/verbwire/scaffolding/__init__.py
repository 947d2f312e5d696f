"""``verbwire new``: a project to begin with, written from the files in `template`. Nothing else imports this.

Read `create` first. A template is a file as it will be, with ``.tmpl`` behind its name and few words in ``@``: no
template engine, so that whoever changes one sees what the user will see.
"""
