const SVG = 'http://www.w3.org/2000/svg';

/** An element. `props`: attributes, `on...` listeners; false, null and undefined are left out. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else set(node, name, value);
  }
  node.append(...children.flat().filter((child) => child || child === 0));
  return node;
}

/** Only what changes is touched: a screen reader repeats what is set again. */
export function set(node, name, value) {
  if (value === false || value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? '' : value);
}

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/** Make the children of `parent` those of `items`; a part {node, update(item)} lives as long as its key. */
export function keyed(parent, items, key, make) {
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
  const button = el('button', { type: 'button', class: 'quiet', onclick: async () => {
    button.textContent = await copy(await content()) ? 'Copied' : 'Could not copy';
    setTimeout(() => { button.textContent = label; }, 2000);
  } }, label);
  return button;
}

export function setTime(node, ms, words, exact) {
  set(node, 'datetime', new Date(ms).toISOString());
  set(node, 'title', exact);
  text(node, words);
}
