/** What this tab has learned of its path, kept over reloads. Storage may throw. */

const KEY = 'hub.link';

export function recall(storage) {
  try {
    return JSON.parse(storage?.getItem(KEY) ?? 'null');
  } catch {
    return null; // unreadable memory is no memory
  }
}

export function remember(storage, memory) {
  try {
    if (memory) storage?.setItem(KEY, JSON.stringify(memory));
    else storage?.removeItem(KEY);
  } catch {
  }
}
