const SVG = 'http://www.w3.org/2000/svg';

const TURNING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** What would hide or turn text round is shown by its number. */
export const visible = (words) => words.replace(TURNING, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);

const seen = (child) => (typeof child === 'string' ? visible(child) : child);

/** An element. `props`: attributes, `on...` listeners; false, null and undefined are left out. */
export function el(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props = {}, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else set(node, name, value);
  }
  node.append(...children.flat().filter((child) => child || child === 0).map(seen));
  return node;
}

export const button = (label, onclick, props) => el('button', { type: 'button', class: 'quiet', onclick, ...props }, label);

/** Only what changes is touched: a screen reader repeats what is set again. */
export function set(node, name, value) {
  if (name === 'title' || name === 'aria-label') value = seen(value);
  if (value === false || value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? '' : value);
}

export function text(node, value) {
  value = seen(value);
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, visible) {
  if (node.hidden === Boolean(visible)) node.hidden = !visible;
}

/** Words in a node that is not there without any. */
export function say(node, words) {
  text(node, words ?? '');
  show(node, words);
}

/**
 * Make the children of `parent` those of `items`; a part {node, update(item)} lives as long as its key, and what has the
 * focus keeps it.
 */
export function keyed(parent, items, key, make) {
  const focused = document.activeElement;
  const held = parent.contains(focused);
  parent.parts ??= new Map();
  const wanted = new Set(items.map(key));
  for (const [id, part] of parent.parts) {
    if (wanted.has(id)) continue;
    part.node.remove();
    parent.parts.delete(id);
  }
  let before = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    let part = parent.parts.get(id);
    if (!part) parent.parts.set(id, part = make(item));
    part.update(item);
    if (part.node === before) before = before.nextSibling;
    else parent.insertBefore(part.node, before);
  }
  // Moved nodes lose the focus; where its row is gone, the page's main part gets it.
  if (held && document.activeElement !== focused) (focused.isConnected ? focused : document.getElementById('main')).focus({ preventScroll: true });
}

/** Plain http on a LAN has no `navigator.clipboard`. */
export async function copy(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    const area = el('textarea', { class: 'away', readonly: true });
    area.value = content;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

export function copyButton(label, content) {
  const node = button(label, async () => {
    text(node, await copy(await content()) ? 'Copied' : 'Could not copy');
    setTimeout(text, 2000, node, label);
  });
  return node;
}

export function setTime(node, ms, words, exact) {
  set(node, 'datetime', new Date(ms).toISOString());
  set(node, 'title', exact);
  text(node, words);
}

const sheets = new Map();

/** A style sheet that only parts loaded later need, once it is there. */
export function sheet(name) {
  if (!sheets.has(name)) {
    sheets.set(name, new Promise((resolve) => {
      document.head.append(el('link', { rel: 'stylesheet', href: `static/${name}`, onload: resolve, onerror: resolve }));
    }));
  }
  return sheets.get(name);
}

/** A module and its looks; the promise is that of `import()`. */
export async function later(load) {
  const [module] = await Promise.all([load(), sheet('later.css')]);
  return module;
}
