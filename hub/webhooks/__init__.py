"""Telling other programs of ends: signed by the Standard Webhooks specification, tried again, and told why not.

The journal makes the deliveries (`hub.core.stores.WebhookTable`); this sends them.
"""
