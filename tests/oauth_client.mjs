// A program of a client that uses npm's oauth4webapi and knows an issuer's URL, its own id and
// secret, and the two texts of a sign-in. It tells what it found as one line of JSON.
import { pathToFileURL } from "node:url";

const [library, issuer, client_id, method, secret, token, handle] = process.argv.slice(2);
const oauth = await import(pathToFileURL(library));

const http = { [oauth.allowInsecureRequests]: true }; // the issuer of this test is on loopback
const client = { client_id };
const authenticate =
  method === "basic" ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret);

const discovered = await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...http });
const server = await oauth.processDiscoveryResponse(new URL(issuer), discovered);

async function introspect(text) {
  const answer = await oauth.introspectionRequest(server, client, authenticate, text, http);
  return oauth.processIntrospectionResponse(server, client, answer);
}
async function refresh(text) {
  const answer = await oauth.refreshTokenGrantRequest(server, client, authenticate, text, http);
  return oauth.processRefreshTokenResponse(server, client, answer).catch((error) => ({
    error: error.error,
    status: error.status,
    code: error.cause.code,
  }));
}
async function revoke(text) {
  const answer = await oauth.revocationRequest(server, client, authenticate, text, http);
  await oauth.processRevocationResponse(answer);
}

const found = { server, before: await introspect(token), refreshed: await refresh(handle) };
found.renewed = await introspect(found.refreshed.access_token);
await revoke(found.refreshed.refresh_token);
found.after = await introspect(found.refreshed.access_token);
found.refused = await refresh(found.refreshed.refresh_token);
console.log(JSON.stringify(found));
