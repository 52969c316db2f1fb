/** What this tab has learned of its path, kept over reloads. Storage may throw: then it learns it again. */

const KEY = 'hub.link';

export function keep(storage, memory) {
  try {
    if (memory) storage?.setItem(KEY, memory);
    else storage?.removeItem(KEY);
  } catch {
    // nothing that could be done about it
  }
}

export function kept(storage) {
  try {
    return storage?.getItem(KEY) ?? null;
  } catch {
    return null;
  }
}
