"""Producing messages: routing, ids, headers, one idempotent producer, acknowledgements.

A message class is looked up once (`routes`), encoded, and handed to librdkafka (`producer`); `ack` reports what the
broker said of it. Read `producer` first.
"""
