// Follows a stream with the `ws` package, by the README's rule alone; prints every message as a line.
const WebSocket = require("ws");

const url = process.argv[2];
let epoch = "";
let cursor = null;
let ended = false;

function take(message) {
  if (message.type === "hello") epoch = message.epoch;
  else if (message.type === "snapshot") cursor = message.cursor;
  else if (message.type === "merged") cursor = `${epoch}-${message.upto}`;
  else if (message.seq) cursor = `${epoch}-${message.seq}`;
  ended = ended || (message.type === "job" && message.state === "succeeded");
}

function open() {
  const socket = new WebSocket(cursor ? `${url}&since=${cursor}` : url);
  socket.on("message", (data) => {
    take(JSON.parse(data));
    console.log(String(data));
    if (ended) socket.close(1000);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    if (!ended) setTimeout(open, 50);
  });
}

open();
