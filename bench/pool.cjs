// A pool of nodemailer's connections, as its manual shows: node pool.cjs PACKAGE PORT COUNT CONNECTIONS MAIL.json
// Prints what it took as JSON. MAIL.json: from, subject, headers, text, html with TOKEN where a reader's own stands.
const [, , packageFolder, port, count, connections, file] = process.argv;
const nodemailer = require(packageFolder);
const mail = JSON.parse(require("fs").readFileSync(file, "utf8"));
const transport = nodemailer.createTransport({
  pool: true, host: "127.0.0.1", port: Number(port), secure: false, ignoreTLS: true,
  maxConnections: Number(connections), maxMessages: Infinity,
});
const own = (text, token) => text.replaceAll("TOKEN", token);
async function send(number) {
  const token = `t${String(number).padStart(20, "0")}`;
  const headers = Object.fromEntries(Object.entries(mail.headers).map(([k, v]) => [k, own(v, token)]));
  await transport.sendMail({
    from: mail.from, to: `reader${number}@example.org`, subject: mail.subject, headers,
    envelope: { from: `b+${token}@bounces.example.org`, to: `reader${number}@example.org` },
    text: own(mail.text, token), html: own(mail.html, token),
  });
}
async function main() {
  await send(0);
  const before = process.cpuUsage(), began = process.hrtime.bigint();
  let next = 1;
  const line = async () => { while (next <= Number(count)) await send(next++); };
  await Promise.all(Array.from({ length: 2 * Number(connections) }, line));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9, cpu = process.cpuUsage(before);
  transport.close();
  const peak = Number(/VmHWM:\s*(\d+)/.exec(require("fs").readFileSync("/proc/self/status", "utf8"))[1]);
  console.log(JSON.stringify({ seconds, cpu: (cpu.user + cpu.system) / 1e6, rss_mb: peak / 1024 }));
}
main();
