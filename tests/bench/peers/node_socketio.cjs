// Socket.IO for Node as a peer of the measurement (see tests/bench/peer.py): node node_socketio.cjs PAYLOAD
const http = require("http");
const readline = require("readline");
const { Server } = require("socket.io");

const payload = JSON.parse(process.argv[2]);
const server = http.createServer();
// No pings while it is measured: the load side does not answer them.
const io = new Server(server, { transports: ["websocket"], pingInterval: 3600_000, serveClient: false });
const say = (fields) => process.stdout.write(JSON.stringify(fields) + "\n");
const turn = () => new Promise((done) => setImmediate(done));
const publish = () => io.to("p").emit("log", payload);
let joined = 0;

io.on("connection", (socket) => {
  socket.join("p");
  joined += 1;
});

async function obey(order) {
  const [word, ...rest] = order.split(" ");
  if (word === "one") {
    publish();
  } else if (word === "wait") {
    while (joined < Number(rest[0])) await new Promise((done) => setTimeout(done, 20));
    say({ watchers: joined });
  } else if (word === "burst") {
    const [events, burst] = rest.map(Number);
    const began = process.hrtime.bigint(); // CLOCK_MONOTONIC
    for (let n = 0; n < events; n++) {
      publish();
      if (n % burst === burst - 1) await turn();
    }
    process.stdout.write(`{"began_ns": ${began}}\n`);
  } else {
    throw new Error(`no order: ${order}`);
  }
}

server.listen(0, "127.0.0.1", () => {
  say({ port: server.address().port, path: "/socket.io/?EIO=4&transport=websocket" });
  readline.createInterface({ input: process.stdin }).on("line", obey).on("close", () => process.exit(0));
});
