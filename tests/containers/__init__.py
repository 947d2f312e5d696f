"""``make containers``: the compose files run for real, with everything in them killed, stopped, and made anew."""
