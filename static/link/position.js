/** Where a watcher is in a project's numbering, and what each message does to that. */

export function parseCursor(cursor) {
  const match = /^([0-9a-f]{8})-([0-9]{1,18})$/.exec(cursor ?? '');
  return match ? { epoch: match[1], seq: Number(match[2]) } : null;
}

export const cursorOf = (position) => (position ? `${position.epoch}-${position.seq}` : null);

/**
 * What to do with a message at `position` (null: not known yet) -> {verdict, position}.
 * `gap`: numbers are missing, subscribe again with the cursor.
 * Every number is accounted for on every transport: `merged` comes before the event that follows a skip.
 */
export function advance(position, message) {
  switch (message.type) {
    case 'snapshot': return { verdict: 'take', position: parseCursor(message.cursor) };
    case 'reset': return { verdict: 'take', position: null };
    case 'merged':
      if (!position || message.upto <= position.seq) return { verdict: 'drop', position };
      return { verdict: 'take', position: { ...position, seq: message.upto } };
    default:
  }
  if (message.seq === undefined) return { verdict: 'take', position };
  if (!position) return { verdict: 'drop', position };
  if (message.seq <= position.seq) return { verdict: 'drop', position };
  if (message.seq > position.seq + 1) return { verdict: 'gap', position };
  return { verdict: 'take', position: { ...position, seq: message.seq } };
}

export function isBehind(position, cursor) {
  const theirs = parseCursor(cursor);
  return Boolean(position && theirs && theirs.epoch === position.epoch && theirs.seq > position.seq);
}
