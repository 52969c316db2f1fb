-- Digests that were made without a key count for nothing any more, and could be guessed from.
DELETE FROM idempotency WHERE fingerprint NOT LIKE 'hmac:%';
