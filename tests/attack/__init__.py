"""What strangers may try, at length: `make attack`. Each is tried in the suite, too, as often as shows that it fails.

Everything here goes to addresses of this machine's loopback, is bounded in count and time, and ends by itself.
"""
