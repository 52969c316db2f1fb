// Polls with fetch, `since` and ETag; prints every answer as a line.
const url = process.argv[2];

async function poll() {
  let cursor = null;
  let tag = null;
  for (;;) {
    try {
      const query = cursor ? `&since=${cursor}&wait=1` : "";
      const answer = await fetch(url + query, { headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status !== 200) continue;
      const body = await answer.json();
      tag = answer.headers.get("ETag");
      console.log(JSON.stringify({ since: cursor, body }));
      cursor = body.cursor;
      if (body.events.some((event) => event.type === "job" && event.state === "succeeded")) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

poll();
