"""The worker process: hosts the cores of one or many groups, their Faust apps, and HTTP."""
