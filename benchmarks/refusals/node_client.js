// Sends the request of argv[2] so many times, each on a connection of its own,
// and prints a line of JSON for each: {status, body} or {error}.
const fs = require("fs");
const http2 = require("http2");
const https = require("https");

const wish = JSON.parse(process.argv[2]);
const body = fs.readFileSync(wish.body);
const ca = fs.readFileSync(wish.ca);
const PIECE = 65536;

// A body in pieces, as a stream would have it; `write` tells nobody its length.
function sendInPieces(request) {
  let at = 0;
  const go = () => {
    while (at < body.length) {
      const piece = body.subarray(at, at + PIECE);
      at += PIECE;
      if (!request.write(piece)) {
        request.once("drain", go);
        return;
      }
    }
    request.end();
  };
  go();
}

function collect(stream, done, status) {
  let text = "";
  stream.on("data", (piece) => (text += piece));
  stream.on("end", () => done({ status: status(), body: text }));
}

function askHttp2(done) {
  const session = http2.connect(`https://localhost:${wish.port}`, { ca });
  session.on("error", (error) => done({ error: `session: ${error.message}` }));
  const headers = { ":method": wish.method, ":path": wish.path, "content-type": wish.type };
  if (wish.declares) headers["content-length"] = body.length;
  const request = session.request(headers);
  let status = 0;
  request.on("response", (head) => (status = head[":status"]));
  request.on("error", (error) => done({ error: `stream: ${error.message}` }));
  collect(request, done, () => status);
  sendInPieces(request);
  return () => session.destroy();
}

function askHttps(done) {
  const headers = { "content-type": wish.type };
  if (wish.declares) headers["content-length"] = body.length;
  const target = { host: "localhost", port: wish.port, path: wish.path, method: wish.method };
  const request = https.request({ ...target, ca, headers, agent: false }, (answer) =>
    collect(answer, done, () => answer.statusCode),
  );
  request.on("error", (error) => done({ error: `request: ${error.message}` }));
  sendInPieces(request);
  return () => request.destroy();
}

function ask() {
  return new Promise((resolve) => {
    let close = () => {};
    let isOver = false;
    const done = (answer) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      console.log(JSON.stringify(answer));
      close();
      resolve();
    };
    const timer = setTimeout(() => done({ error: "no answer in time" }), wish.timeout);
    close = (wish.module === "http2" ? askHttp2 : askHttps)(done);
  });
}

(async () => {
  for (let i = 0; i < wish.times; i += 1) await ask();
})();
