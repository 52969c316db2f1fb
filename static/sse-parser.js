/** Feed it text in any pieces; it gives whole events {event, id, data}. Follows the HTML standard, section 9.2.6. */
export class SseParser {
  /** What the server last asked for as the wait before a reconnect; null: nothing. */
  retryMs = null;
  #rest = '';
  #skipLf = false;
  #started = false;
  #event = '';
  #data = [];
  #id = '';

  push(text) {
    if (!this.#started && text) {
      this.#started = true;
      text = text.replace(/^\uFEFF/, '');
    }
    if (this.#skipLf && text) {
      this.#skipLf = false;
      if (text[0] === '\n') text = text.slice(1);
    }
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    // A CR at the very end may be the first half of a CRLF whose LF comes with the next piece.
    if (text.endsWith('\r')) this.#skipLf = true;
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  #dispatch() {
    const [event, lines] = [this.#event || 'message', this.#data];
    this.#event = '';
    this.#data = [];
    return lines.length ? { event, id: this.#id, data: lines.join('\n') } : null;
  }
}
