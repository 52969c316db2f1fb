// Leaves coming back, and with what cursor, to the `eventsource` package; prints every event's data as a line.
const required = require("eventsource");

const EventSource = required.EventSource ?? required;
const source = new EventSource(process.argv[2]);
source.onmessage = (event) => console.log(event.data);
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) console.error("closed for good");
};
